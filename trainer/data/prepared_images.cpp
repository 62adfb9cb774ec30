#include "trainer/data/prepared_images.hpp"

#include <type_traits>
#include <utility>
#include <vector>

#include "quant/base/parallel.hpp"

namespace bitsmith::trainer {
namespace {

class PreparedStore final : public ImageStore {
 public:
  PreparedStore(std::shared_ptr<const ImageStore> stored, const Preprocessing& preprocessing)
      : ImageStore(prepared_shape(preprocessing, stored->shape()), stored->images(), stored->has_floats()),
        stored_(std::move(stored)),
        preprocessing_(preprocessing) {}

  bool is_slow() const override { return true; }
  const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const override {
    return get(stored_->bytes(index, inner(scratch)), scratch.bytes, scratch);
  }
  const float* floats(std::int64_t index, ImageScratch& scratch) const override {
    return get(stored_->floats(index, inner(scratch)), scratch.floats, scratch);
  }

 private:
  static ImageScratch& inner(ImageScratch& scratch) {
    if (scratch.inner == nullptr) scratch.inner = std::make_unique<ImageScratch>();
    return *scratch.inner;
  }
  template <class T>
  const T* get(const T* image, std::vector<T>& out, ImageScratch& scratch) const {
    out.resize(static_cast<std::size_t>(shape().elements()));
    prepare(preprocessing_, image, stored_->shape(), out.data(), scratch.preparation);
    return out.data();
  }

  std::shared_ptr<const ImageStore> stored_;
  Preprocessing preprocessing_;
};

template <class T>
std::shared_ptr<const ImageStore> loaded(const ImageStore& store) {
  const auto elements = static_cast<std::size_t>(store.shape().elements());
  std::vector<T> pixels(elements * static_cast<std::size_t>(store.images()));
  base::parallel_for(static_cast<int>(store.images()), [&](int i) {
    ImageScratch& scratch = thread_image_scratch();
    const T* image;
    if constexpr (std::is_same_v<T, float>)
      image = store.floats(i, scratch);
    else
      image = store.bytes(i, scratch);
    std::copy_n(image, elements,
                pixels.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(i) * elements));
  });
  return images_in_memory(store.shape(), std::move(pixels));
}

}  // namespace

bool fit_memory(const quant::Shape& shape, std::int64_t images, bool floats, std::uint64_t memory_bytes) {
  const auto image_bytes = static_cast<std::uint64_t>(shape.elements()) * (floats ? sizeof(float) : 1);
  return static_cast<std::uint64_t>(images) <= memory_bytes / image_bytes;
}

std::shared_ptr<const ImageStore> prepared_images(std::shared_ptr<const ImageStore> stored,
                                                  const Preprocessing& preprocessing,
                                                  std::uint64_t memory_bytes) {
  const auto store = std::make_shared<PreparedStore>(std::move(stored), preprocessing);
  if (!fit_memory(store->shape(), store->images(), store->has_floats(), memory_bytes)) return store;
  return store->has_floats() ? loaded<float>(*store) : loaded<std::uint8_t>(*store);
}

}  // namespace bitsmith::trainer
