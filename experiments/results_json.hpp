#pragma once

#include <filesystem>
#include <string>

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// One JSON object, indented; documented in experiments/README.md. Unknown numbers are null.
std::string results_json(const RunResults& results);

/// The same in YAML, without the episodes: the summary that lies beside the HDF5 file.
std::string results_yaml(const RunResults& results);
void write_results_yaml(const std::filesystem::path& path, const RunResults& results);

}  // namespace bitsmith::experiments
