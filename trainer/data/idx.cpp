#include "trainer/data/idx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"

namespace bitsmith::trainer {
namespace {

struct IdxFile {
  std::string path;
  std::string content;
  std::vector<std::uint32_t> extents;
  std::size_t header_bytes = 0;
  std::size_t elements = 0;
};

constexpr unsigned kUnsignedByte = 0x08;

// Checks everything the header says against the size of the file, so nothing is allocated on its word.
IdxFile read_idx(const std::string& path) {
  IdxFile file{path, base::read_file(path), {}, 0, 1};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file.content[i]); };
  if (file.content.empty()) throw base::UserError(fmt::format("{}: is empty", path));
  if (file.content.size() < 4 || byte(0) != 0 || byte(1) != 0)
    throw base::UserError(fmt::format("{}: not an IDX file (it must begin with two zero bytes)", path));
  if (byte(2) != kUnsignedByte)
    throw base::UserError(
        fmt::format("{}: IDX element type 0x{:02x}, only 0x08 (unsigned byte) is supported", path, byte(2)));
  const std::size_t rank = byte(3);
  file.header_bytes = 4 + 4 * rank;
  if (file.content.size() < file.header_bytes)
    throw base::UserError(fmt::format("{}: truncated in its header", path));
  const std::size_t present = file.content.size() - file.header_bytes;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t at = 4 + 4 * d;
    const std::uint32_t extent = std::uint32_t{byte(at)} << 24 | std::uint32_t{byte(at + 1)} << 16 |
                                 std::uint32_t{byte(at + 2)} << 8 | byte(at + 3);
    file.extents.push_back(extent);
    // Stops growing once it is beyond the file (4 GiB at most), so 64 bits are enough.
    if (extent == 0 || file.elements <= present) file.elements *= extent;
  }
  if (file.elements != present)
    throw base::UserError(fmt::format(
        "{}: {} its header says {} bytes of data, it has {}", path,
        present < file.elements ? "truncated:" : "wrong size:", fmt::join(file.extents, " x "), present));
  return file;
}

std::string describe(const IdxFile& file) {
  return fmt::format("{}-dimensional ({})", file.extents.size(), fmt::join(file.extents, " x "));
}

}  // namespace

Dataset load_idx(std::span<const std::string> files, DataRole) {
  if (files.size() != 2)
    throw base::UserError(
        fmt::format("format idx needs two files, the images and their labels; got {}", files.size()));
  const IdxFile images = read_idx(files[0]), labels = read_idx(files[1]);
  const std::size_t rank = images.extents.size();
  if (rank == 1 && labels.extents.size() > 1)
    throw base::UserError(
        fmt::format("{} holds labels and {} images: name the images first", images.path, labels.path));
  if (rank != 3 && rank != 4)
    throw base::UserError(
        fmt::format("{}: {}, but images are N x H x W or N x C x H x W", images.path, describe(images)));
  if (labels.extents.size() != 1)
    throw base::UserError(fmt::format("{}: {}, but labels are 1-dimensional", labels.path, describe(labels)));
  if (images.extents[0] != labels.extents[0])
    throw base::UserError(fmt::format("{} holds {} images, but {} holds {} labels", images.path,
                                      images.extents[0], labels.path, labels.extents[0]));
  if (images.elements == 0)
    throw base::UserError(fmt::format("{}: {}: holds no images", images.path, describe(images)));

  constexpr std::uint32_t kMaxExtent = 1 << 16;
  for (std::size_t d = 1; d < rank; ++d)
    if (images.extents[d] > kMaxExtent)
      throw base::UserError(
          fmt::format("{}: {}: no images of this size can be used", images.path, describe(images)));

  Dataset dataset;
  dataset.source = images.path;
  dataset.shape = {rank == 4 ? static_cast<int>(images.extents[1]) : 1,
                   static_cast<int>(images.extents[rank - 2]), static_cast<int>(images.extents[rank - 1])};
  const auto pixels = images.content.begin() + static_cast<std::ptrdiff_t>(images.header_bytes);
  dataset.bytes = channels_innermost(std::vector<std::uint8_t>(pixels, images.content.end()), dataset.shape);
  for (std::size_t i = labels.header_bytes; i < labels.content.size(); ++i)
    dataset.labels.push_back(static_cast<unsigned char>(labels.content[i]));
  return dataset;
}

}  // namespace bitsmith::trainer
