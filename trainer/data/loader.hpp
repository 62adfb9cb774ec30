#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/data/dataset.hpp"
#include "trainer/options.hpp"

namespace bitsmith::trainer {

enum class DataRole { train, test };

/// Pixels of more than this stay in their files, where the format allows that, and are read when needed.
inline constexpr std::uint64_t kImageMemory = std::uint64_t{1} << 30;

/// One file format. `load` throws UserError (path, what is wrong) and may leave `classes` at 0: then it is
/// the largest label of the training files plus one.
struct DataLoader {
  DataFormat format;
  std::string_view name;
  std::string_view files;  ///< what train_files and test_files list, for messages and documentation
  Dataset (*load)(std::span<const std::string> files, DataRole role, std::uint64_t memory_bytes);
};

/// Every format there is, one row each.
std::span<const DataLoader> data_loaders();
const DataLoader& data_loader(DataFormat format);

/// Reads and checks one role's files. For the test role, `classes` are the training files'; else 0.
Dataset load_dataset(DataFormat format, std::span<const std::string> files, DataRole role, int classes,
                     std::uint64_t memory_bytes = kImageMemory);

}  // namespace bitsmith::trainer
