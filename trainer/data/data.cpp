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
  for (const std::string& file : options_.test_files)
    if (!std::filesystem::is_regular_file(file, code))
      throw base::UserError(fmt::format("{}: is no file; it is named in data.test_files", file));
}

Data::Data(DataOptions options, Parts parts)
    : options_(std::move(options)),
      train_(std::move(parts.train)),
      validation_(std::move(parts.validation)),
      hash_(hash_of(train_, validation_)) {}

Data::Parts Data::load(const DataOptions& options) {
  const Dataset files =
      load_dataset(options.format, options.train_files, DataRole::train, 0, memory_of(options));
  const Split split = split_by_class(files.labels, files.classes, options.train_images,
                                     options.validation_images, seed_of(options));
  Dataset train = select(files, split.train);
  const Normalization normalization = make_normalization(train, options.mean, options.deviation);
  return {DataPart(std::move(train), normalization, options.pad),
          DataPart(select(files, split.validation), normalization, options.pad)};
}

DataPart Data::load_test() const {
  Dataset files =
      load_dataset(options_.format, options_.test_files, DataRole::test, classes(), memory_of(options_));
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
