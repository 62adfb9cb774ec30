#include "trainer/data/folder_images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/printable.hpp"
#include "quant/base/random_access_file.hpp"
#include "trainer/data/image_decoder.hpp"
#include "trainer/data/image_folder.hpp"
#include "trainer/data/prepared_images.hpp"

namespace bitsmith::trainer {
namespace {
namespace fs = std::filesystem;

/// Throws UserError with the reason alone.
void read_image_file(const fs::path& path, std::vector<std::uint8_t>& bytes) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (code) throw base::UserError(fmt::format("cannot be read: {}", code.message()));
  if (!fs::is_regular_file(status)) throw base::UserError("is not a regular file");
  try {
    const base::RandomAccessFile file(path);
    if (file.size() > kMostImageFileBytes)
      throw base::UserError(
          fmt::format("has {} bytes, allowed for an image are {}", file.size(), kMostImageFileBytes));
    bytes.resize(static_cast<std::size_t>(file.size()));
    file.read(0, std::as_writable_bytes(std::span(bytes)));
  } catch (const base::UserError& error) {
    const std::string message = error.what(), prefix = path.string() + ": ";
    throw base::UserError(message.starts_with(prefix) ? message.substr(prefix.size()) : message);
  }
}

std::string text_of(const quant::Shape& shape) {
  return fmt::format("{} x {} x {}", shape.channels, shape.height, shape.width);
}

/// One image from its file to what the network gets. Throws UserError with the reason alone.
class Preparer {
 public:
  Preparer(const Preprocessing& preprocessing, quant::Shape shape)
      : preprocessing_(preprocessing), shape_(shape) {}

  void run(const fs::path& path, ImageScratch& scratch, std::uint8_t* out) const {
    read_image_file(path, scratch.file);
    decode_image(scratch.file, scratch.decoded);
    check(prepared_shape(preprocessing_, scratch.decoded.shape));
    prepare(preprocessing_, scratch.decoded.pixels.data(), scratch.decoded.shape, out, scratch.preparation);
  }

  const quant::Shape& shape() const { return shape_; }

 private:
  void check(const quant::Shape& shape) const {
    if (shape == shape_) return;
    const bool channels = shape.channels != shape_.channels;
    throw base::UserError(
        fmt::format("is {} (channels, height, width{}), most others {}: {}", text_of(shape),
                    preprocessing_.changes_anything() ? "; after preprocessing" : "", text_of(shape_),
                    channels ? "give data.color (gray or rgb)"
                             : "give data.resize or data.crop, or sizes that make them equal"));
  }

  Preprocessing preprocessing_;
  quant::Shape shape_;
};

class FolderStore final : public ImageStore {
 public:
  FolderStore(Preparer preparer, std::vector<fs::path> files)
      : ImageStore(preparer.shape(), static_cast<std::int64_t>(files.size()), false),
        preparer_(std::move(preparer)),
        files_(std::move(files)) {}

  bool is_slow() const override { return true; }
  const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const override {
    const fs::path& path = files_[static_cast<std::size_t>(index)];
    scratch.bytes.resize(static_cast<std::size_t>(shape().elements()));
    try {
      preparer_.run(path, scratch, scratch.bytes.data());
    } catch (const base::UserError& error) {
      throw base::UserError(fmt::format("{}: {}", base::printable(path.string()), error.what()));
    }
    return scratch.bytes.data();
  }

 private:
  Preparer preparer_;
  std::vector<fs::path> files_;
};

/// What most of the first images become: what all have to be.
std::optional<quant::Shape> usual_shape(const std::vector<fs::path>& files,
                                        const Preprocessing& preprocessing) {
  constexpr std::size_t kLookedAt = 100;
  std::vector<std::uint8_t> bytes;
  std::vector<quant::Shape> shapes;
  for (std::size_t i = 0; i < files.size() && (i < kLookedAt || shapes.empty()); ++i) try {
      read_image_file(files[i], bytes);
      shapes.push_back(prepared_shape(preprocessing, image_shape(bytes)));
    } catch (const base::UserError&) {
      // Told with all others that cannot be read.
    }
  const auto most = std::ranges::max_element(
      shapes, {}, [&](const quant::Shape& shape) { return std::ranges::count(shapes, shape); });
  return most == shapes.end() ? std::nullopt : std::optional(*most);
}

[[noreturn]] void refuse(const std::vector<fs::path>& files, const std::vector<std::string>& reasons) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!reasons[i].empty())
      lines.push_back(fmt::format("{}: {}", base::printable(files[i].string()), reasons[i]));
  const std::size_t bad = lines.size();
  std::ranges::sort(lines);
  if (bad == 1) throw base::UserError(lines.front());
  std::string message = fmt::format("{} of {} images cannot be used", bad, files.size());
  lines.resize(std::min(bad, kShown));
  for (const std::string& line : lines) message += "\n  " + line;
  if (bad > kShown) message += fmt::format("\n  and {} more", bad - kShown);
  throw base::UserError(message);
}

}  // namespace

Dataset load_image_folder(std::span<const std::string> files, const ReadOptions& options) {
  if (files.empty())
    throw base::UserError("format folder needs at least one folder, with a folder of images per class in it");
  const bool has_labels = !options.labels_may_lack || has_class_folders(files);
  ImageFolder listed = has_labels ? list_class_folders(files, options.class_names) : list_images(files);
  // Where nothing can be read, the pass below says why of every file.
  const Preparer preparer(options.preprocessing,
                          usual_shape(listed.files, options.preprocessing).value_or(quant::Shape{1, 1, 1}));
  const auto count = listed.files.size(), elements = static_cast<std::size_t>(preparer.shape().elements());
  const bool keep =
      fit_memory(preparer.shape(), static_cast<std::int64_t>(count), false, options.memory_bytes);
  std::vector<std::uint8_t> pixels(keep ? count * elements : 0);
  std::vector<std::string> reasons(count);
  base::parallel_for(static_cast<int>(count), [&](int i) {
    const auto at = static_cast<std::size_t>(i);
    ImageScratch& scratch = thread_image_scratch();
    if (!keep) scratch.bytes.resize(elements);
    try {
      preparer.run(listed.files[at], scratch, keep ? pixels.data() + at * elements : scratch.bytes.data());
    } catch (const base::UserError& error) {
      reasons[at] = error.what();
    }
  });
  if (std::ranges::any_of(reasons, [](const std::string& reason) { return !reason.empty(); }))
    refuse(listed.files, reasons);
  const int classes = has_labels ? static_cast<int>(listed.classes.size()) : options.classes;
  std::vector<std::string> names;
  if (options.keep_file_names)
    for (const fs::path& file : listed.files) names.push_back(base::printable(file.string()));
  auto store = keep ? images_in_memory(preparer.shape(), std::move(pixels))
                    : std::make_shared<FolderStore>(preparer, std::move(listed.files));
  Dataset dataset =
      make_dataset(std::move(store), std::move(listed.labels), classes,
                   files.size() == 1 ? files[0] : fmt::format("{} .. {}", files.front(), files.back()));
  dataset.class_names = has_labels ? std::move(listed.classes) : options.class_names;
  dataset.has_labels = has_labels;
  dataset.file_names = std::move(names);
  return dataset;
}

}  // namespace bitsmith::trainer
