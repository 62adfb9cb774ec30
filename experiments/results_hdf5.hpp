#pragma once

#include <filesystem>

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// The version of the layout that experiments/README.md documents. A reader refuses files of a newer one.
inline constexpr int kResultsSchema = 4;

/// Replaces `path`, whole. Throws InternalError for results that contradict themselves (a policy or a cost
/// row of another length than the network's layers or metrics), UserError when the file cannot be written.
void write_results(const std::filesystem::path& path, const RunResults& results);

/// Throws UserError for a file that is missing, no HDF5, truncated, not of this program, of a newer schema,
/// or lacks or mismatches any of its parts; the message names the part. Of the layers, only what the file
/// describes is filled in.
RunResults read_results(const std::filesystem::path& path);

/// Whether it is a whole HDF5 file that calls itself results of this program, of whatever schema.
bool is_results_file(const std::filesystem::path& path);

}  // namespace bitsmith::experiments
