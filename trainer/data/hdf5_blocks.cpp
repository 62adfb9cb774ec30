#include <algorithm>
#include <type_traits>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/data/image_store.hpp"
#include "trainer/data/planes.hpp"

namespace bitsmith::trainer {
namespace {

namespace hdf5 = base::hdf5;

constexpr const char* kImages = "images";
constexpr std::uint64_t kBlockBytes = 256 << 10;  // of files that are not chunked

quant::Shape shape_of(const hdf5::Extents& extents) {
  base::require(extents.size() == 4, "images of another rank");
  return {static_cast<int>(extents[1]), static_cast<int>(extents[2]), static_cast<int>(extents[3])};
}

/// Blocks of neighbours; when the memory is full the oldest makes room.
template <class T>
class Blocks final : public ImageStore {
 public:
  Blocks(hdf5::File file, std::uint64_t memory_bytes)
      : ImageStore(shape_of(file.extents(kImages)), static_cast<std::int64_t>(file.extents(kImages)[0]),
                   std::is_same_v<T, float>),
        file_(std::move(file)) {
    const auto image_bytes = static_cast<std::uint64_t>(shape().elements()) * sizeof(T);
    const std::uint64_t chunk = file_.chunk_rows(kImages);
    const std::uint64_t rows = chunk > 0 ? chunk : std::max<std::uint64_t>(1, kBlockBytes / image_bytes);
    rows_ = static_cast<std::int64_t>(std::min(rows, static_cast<std::uint64_t>(images())));
    const auto blocks = static_cast<std::size_t>((images() + rows_ - 1) / rows_);
    const std::uint64_t fitting = memory_bytes / (static_cast<std::uint64_t>(rows_) * image_bytes);
    slot_of_.assign(blocks, kNone);
    slots_.resize(static_cast<std::size_t>(std::clamp<std::uint64_t>(fitting, 1, blocks)));
  }

  const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const override {
    if constexpr (std::is_same_v<T, std::uint8_t>) return get(index, scratch.bytes);
    return ImageStore::bytes(index, scratch);
  }
  const float* floats(std::int64_t index, ImageScratch& scratch) const override {
    if constexpr (std::is_same_v<T, float>) return get(index, scratch.floats);
    return ImageStore::floats(index, scratch);
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Slot {
    std::size_t block = kNone;
    std::vector<T> planes;
  };

  const T* get(std::int64_t index, std::vector<T>& out) const {
    out.resize(static_cast<std::size_t>(shape().elements()));
    const std::lock_guard lock(mutex_);
    const auto block = static_cast<std::size_t>(index / rows_);
    const Slot& slot = loaded(block);
    to_channels_innermost(slot.planes.data() + index % rows_ * shape().elements(), shape(), out.data());
    return out.data();
  }

  const Slot& loaded(std::size_t block) const {
    if (slot_of_[block] != kNone) return slots_[slot_of_[block]];
    const std::size_t place = std::exchange(next_, (next_ + 1) % slots_.size());
    Slot& slot = slots_[place];
    if (slot.block != kNone) slot_of_[slot.block] = kNone;
    slot.block = kNone;  // should reading fail
    const std::int64_t first = static_cast<std::int64_t>(block) * rows_;
    const std::int64_t count = std::min(rows_, images() - first);
    slot.planes.resize(static_cast<std::size_t>(count * shape().elements()));
    file_.read_rows(kImages, static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count),
                    std::span<T>(slot.planes));
    slot.block = block;
    slot_of_[block] = place;
    return slot;
  }

  hdf5::File file_;
  std::int64_t rows_ = 1;  ///< of a block
  mutable std::mutex mutex_;
  mutable std::vector<std::size_t> slot_of_;  ///< by block
  mutable std::vector<Slot> slots_;
  mutable std::size_t next_ = 0;  ///< the slot whose turn it is
};

}  // namespace

std::shared_ptr<const ImageStore> images_in_hdf5(const std::string& path, std::uint64_t memory_bytes) {
  hdf5::File file = hdf5::File::open(path);
  if (file.type(kImages) == hdf5::ElementType::float32)
    return std::make_shared<Blocks<float>>(std::move(file), memory_bytes);
  return std::make_shared<Blocks<std::uint8_t>>(std::move(file), memory_bytes);
}

}  // namespace bitsmith::trainer
