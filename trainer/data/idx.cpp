#include "trainer/data/idx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/random_access_file.hpp"
#include "trainer/data/planes.hpp"

namespace bitsmith::trainer {
namespace {

struct IdxFile {
  std::string path;
  std::string content;  ///< all of it, or the beginning of what stays in the file
  bool is_whole = true;
  std::vector<std::uint32_t> extents;
  std::size_t header_bytes = 0;
  std::size_t elements = 0;
};

constexpr unsigned kUnsignedByte = 0x08;

bool is_gzipped(std::string_view content) { return content.substr(0, 2) == "\x1f\x8b"; }

/// The bytes of a file, or, of a large one that is not gzipped, as many as a header may have.
std::string beginning_of(const std::string& path, std::uint64_t memory_bytes, std::uint64_t& size) {
  constexpr std::size_t kLongestHeader = 4 + 4 * 255;
  std::error_code code;
  size = std::filesystem::is_regular_file(path, code) ? std::filesystem::file_size(path, code) : 0;
  if (!code && size > memory_bytes && size > kLongestHeader) {
    std::string start(kLongestHeader, '\0');
    base::RandomAccessFile(path).read(0, std::as_writable_bytes(std::span(start)));
    if (!is_gzipped(start)) return start;
  }
  std::string content = base::read_file(path);
  size = content.size();
  return content;
}

// Checks everything the header says against the size of the file, so nothing is allocated on its word.
IdxFile read_idx(const std::string& path, std::uint64_t memory_bytes) {
  std::uint64_t size = 0;
  IdxFile file{path, beginning_of(path, memory_bytes, size), true, {}, 0, 1};
  file.is_whole = file.content.size() == size;
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
  const std::size_t present = size - file.header_bytes;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t at = 4 + 4 * d;
    const std::uint32_t extent = std::uint32_t{byte(at)} << 24 | std::uint32_t{byte(at + 1)} << 16 |
                                 std::uint32_t{byte(at + 2)} << 8 | byte(at + 3);
    file.extents.push_back(extent);
    // Stops growing once it is beyond the file, which no computer can hold 2^32 times: 64 bits are enough.
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

std::shared_ptr<const ImageStore> pixels_of(const IdxFile& file, const quant::Shape& shape) {
  if (!file.is_whole)
    return images_in_file(
        file.path,
        {.offset = file.header_bytes, .shape = shape, .images = static_cast<std::int64_t>(file.extents[0])});
  const auto begin = file.content.begin() + static_cast<std::ptrdiff_t>(file.header_bytes);
  return images_in_memory(shape,
                          channels_innermost(std::vector<std::uint8_t>(begin, file.content.end()), shape));
}

}  // namespace

Dataset load_idx(std::span<const std::string> files, const ReadOptions& options) {
  if (files.size() != 2)
    throw base::UserError(
        fmt::format("format idx needs two files, the images and their labels; got {}", files.size()));
  const IdxFile images = read_idx(files[0], options.memory_bytes),
                labels = read_idx(files[1], std::numeric_limits<std::uint64_t>::max());
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

  const quant::Shape shape{rank == 4 ? static_cast<int>(images.extents[1]) : 1,
                           static_cast<int>(images.extents[rank - 2]),
                           static_cast<int>(images.extents[rank - 1])};
  std::vector<int> values;
  for (std::size_t i = labels.header_bytes; i < labels.content.size(); ++i)
    values.push_back(static_cast<unsigned char>(labels.content[i]));
  return make_dataset(pixels_of(images, shape), std::move(values), 0, images.path);
}

}  // namespace bitsmith::trainer
