#include "trainer/data/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "trainer/data/loader.hpp"
#include "trainer/data/split.hpp"

namespace bitsmith::trainer {
namespace {

std::uint64_t seed_of(const DataOptions& options) { return static_cast<std::uint64_t>(options.split_seed); }

std::uint64_t memory_of(const DataOptions& options) {
  return static_cast<std::uint64_t>(options.memory_mib) << 20;
}

ReadOptions read_options(const DataOptions& options, DataRole role) {
  return {.role = role,
          .memory_bytes = memory_of(options),
          .layout = options.layout,
          .preprocessing = options.preprocessing,
          .class_names = {}};
}

std::uint64_t hash_of(const DataPart& train, const DataPart& validation) {
  base::Hasher hasher;
  hasher.add(train.hash());
  hasher.add(validation.hash());
  return hasher.value();
}

}  // namespace

Data::Data(DataOptions options) : Data(options, load(options)) {
  // A wrong path should not cost a run: the files are not opened, only looked for.
  std::error_code code;
  const bool folders = options_.format == DataFormat::folder;
  for (const std::string& file : options_.test_files)
    if (!(folders ? std::filesystem::is_directory(file, code) : std::filesystem::is_regular_file(file, code)))
      throw base::UserError(
          fmt::format("{}: is no {}; it is named in data.test_files", file, folders ? "folder" : "file"));
}

Data::Data(DataOptions options, Parts parts)
    : options_(std::move(options)),
      train_(std::move(parts.train)),
      validation_(std::move(parts.validation)),
      hash_(hash_of(train_, validation_)) {}

Data::Parts Data::load(const DataOptions& options) {
  const Dataset files =
      load_dataset(options.format, options.train_files, read_options(options, DataRole::train));
  const Split split = split_by_class(files.labels, files.classes, options.train_images,
                                     options.validation_images, seed_of(options));
  Dataset train = select(files, split.train);
  const Normalization normalization = make_normalization(train, options.mean, options.deviation);
  return {DataPart(std::move(train), normalization, options.pad),
          DataPart(select(files, split.validation), normalization, options.pad)};
}

InputForm Data::input_form() const {
  return {train_.normalization(), options_.pad, options_.preprocessing, train_.class_names()};
}

DataPart Data::load_test() const {
  ReadOptions reading = read_options(options_, DataRole::test);
  reading.classes = classes();
  reading.class_names = train_.class_names();
  Dataset files = load_dataset(options_.format, options_.test_files, reading);
  const quant::Shape expected{shape().channels, shape().height - 2 * options_.pad,
                              shape().width - 2 * options_.pad};
  if (files.shape() != expected)
    throw base::UserError(
        fmt::format("{}: test images of {} x {} x {} (channels, height, width), but the training files "
                    "have {} x {} x {}",
                    files.source, files.shape().channels, files.shape().height, files.shape().width,
                    expected.channels, expected.height, expected.width));
  if (options_.test_images < 0 || options_.test_images > files.images())
    throw base::UserError(fmt::format("test_images: {}: {} has {} (0 means all)", options_.test_images,
                                      files.source, files.images()));
  if (options_.test_images > 0) {
    std::vector<int> all(files.labels.size());
    std::iota(all.begin(), all.end(), 0);
    files = select(files, class_balanced_sample(files.labels, all, files.classes, options_.test_images,
                                                seed_of(options_)));
  }
  return DataPart(std::move(files), train_.normalization(), options_.pad);
}

}  // namespace bitsmith::trainer
