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

/// How files are read, whatever their format.
struct ReadOptions {
  DataRole role = DataRole::train;
  int classes = 0;  ///< of the test role: the training files'
  std::uint64_t memory_bytes = kImageMemory;
  ArrayLayout layout = ArrayLayout::nchw;  ///< of the images of format numpy
  Preprocessing preprocessing = {};
  std::vector<std::string> class_names = {};  ///< of the test role: the training files', where they have any
  bool labels_may_lack = false;  ///< folders without classes and arrays of images alone are read as well
  bool keep_file_names = false;  ///< Dataset::file_names
};

/// One file format. `load` throws UserError (path, what is wrong) and may leave `classes` at 0: then it is
/// the largest label of the training files plus one.
struct DataLoader {
  DataFormat format;
  std::string_view name;
  std::string_view files;  ///< what train_files and test_files list, for messages and documentation
  Dataset (*load)(std::span<const std::string> files, const ReadOptions& options);
  bool prepares = false;  ///< `load` does what options.preprocessing says; else it is done to its images
};

/// Every format there is, one row each.
std::span<const DataLoader> data_loaders();
const DataLoader& data_loader(DataFormat format);

/// Reads, checks and prepares one role's files.
Dataset load_dataset(DataFormat format, std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
