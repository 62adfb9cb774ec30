#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "quant/base/random_access_file.hpp"

namespace bitsmith::trainer::onnx {

/// Where a tensor's bytes lie outside the model.
struct ExternalPlace {
  std::string location;  ///< relative to the model's folder
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< what type and dims ask for
};

/// The files that a model's tensors lie in. Only regular files in the model's folder or below it are opened:
/// absolute paths, '..' and symbolic links that lead out are refused.
class ExternalData {
 public:
  /// An empty folder: bytes in memory, which have no files beside them.
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Throws UserError, which begins with the tensor's name, unless the file is allowed and has these bytes:
  /// before anything is allocated.
  void check(std::string_view tensor, const ExternalPlace& place);
  void read(const ExternalPlace& place, std::span<std::byte> bytes);

 private:
  const base::RandomAccessFile& open(std::string_view tensor, const std::string& location);

  std::filesystem::path folder_;
  std::map<std::string, std::unique_ptr<base::RandomAccessFile>> files_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace bitsmith::trainer::onnx
