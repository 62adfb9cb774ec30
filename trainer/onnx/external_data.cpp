#include "trainer/onnx/external_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "quant/base/error.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {
namespace {

namespace fs = std::filesystem;

// Many tensors may point at the same bytes of one file: what they take together is bounded.
constexpr std::uint64_t kMostExternalBytes = std::uint64_t{16} << 30;

[[noreturn]] void refuse(std::string_view tensor, const std::string& why) {
  throw base::UserError(fmt::format("tensor {}: external data {}", shown(tensor), why));
}

}  // namespace

const base::RandomAccessFile& ExternalData::open(std::string_view tensor, const std::string& location) {
  if (const auto found = files_.find(location); found != files_.end()) return *found->second;
  if (folder_.empty()) refuse(tensor, "cannot be read: the model is not a file");
  if (location.empty() || location.find('\0') != std::string::npos) refuse(tensor, "names no file");
  const fs::path relative(location);
  const bool climbs = std::ranges::any_of(relative, [](const fs::path& part) { return part == ".."; });
  if (relative.is_absolute() || climbs)
    refuse(tensor, fmt::format("in {} is not read: only files in the model's folder are", shown(location)));
  std::error_code code;
  const fs::path folder = fs::canonical(folder_, code);
  if (code) refuse(tensor, fmt::format("cannot be read: {}: {}", folder_.string(), code.message()));
  const fs::path file = fs::canonical(folder / relative, code);
  if (code) refuse(tensor, fmt::format("in {} cannot be read: {}", shown(location), code.message()));
  const auto [outside, inside] = std::ranges::mismatch(folder, file);
  if (outside != folder.end())
    refuse(tensor, fmt::format("in {} is not read: it is a link out of the model's folder", shown(location)));
  if (!fs::is_regular_file(file, code))
    refuse(tensor, fmt::format("in {} cannot be read: it is no regular file", shown(location)));
  auto& opened = files_[location];
  opened = std::make_unique<base::RandomAccessFile>(file);
  return *opened;
}

void ExternalData::check(std::string_view tensor, const ExternalPlace& place) {
  const std::uint64_t size = open(tensor, place.location).size();
  if (place.offset > size || place.length > size - place.offset)
    refuse(tensor, fmt::format("is {} bytes from byte {} on, but {} has {}", place.length, place.offset,
                               shown(place.location), size));
  if (place.length > kMostExternalBytes - total_bytes_)
    refuse(tensor, fmt::format("of all tensors together is more than {} GiB", kMostExternalBytes >> 30));
  total_bytes_ += place.length;
}

void ExternalData::read(const ExternalPlace& place, std::span<std::byte> bytes) {
  files_.at(place.location)->read(place.offset, bytes);
}

}  // namespace bitsmith::trainer::onnx
