#include "trainer/data/cifar10.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/data/planes.hpp"

namespace bitsmith::trainer {

Dataset load_cifar10(std::span<const std::string> files, const ReadOptions&) {
  constexpr std::size_t kPixels = 3 * 32 * 32, kRecord = 1 + kPixels;
  if (files.empty()) throw base::UserError("format cifar10 needs at least one file, e.g. data_batch_1.bin");
  constexpr int kClasses = 10;
  const quant::Shape shape{3, 32, 32};
  std::vector<int> labels;
  std::vector<std::uint8_t> planes;
  for (const std::string& path : files) {
    const std::string content = base::read_file(path);
    if (content.empty()) throw base::UserError(fmt::format("{}: is empty", path));
    if (content.size() % kRecord != 0)
      throw base::UserError(
          fmt::format("{}: {} bytes are not a whole number of CIFAR-10 records of {} bytes: truncated, or "
                      "another format",
                      path, content.size(), kRecord));
    for (std::size_t at = 0; at < content.size(); at += kRecord) {
      const int label = static_cast<unsigned char>(content[at]);
      if (label >= kClasses)
        throw base::UserError(
            fmt::format("{}: record {} has label {}, allowed are 0..9", path, at / kRecord, label));
      labels.push_back(label);
      const auto pixels = content.begin() + static_cast<std::ptrdiff_t>(at + 1);
      planes.insert(planes.end(), pixels, pixels + kPixels);
    }
  }
  return make_dataset(images_in_memory(shape, channels_innermost(std::move(planes), shape)),
                      std::move(labels), kClasses,
                      files.size() == 1 ? files[0] : fmt::format("{} .. {}", files.front(), files.back()));
}

}  // namespace bitsmith::trainer
