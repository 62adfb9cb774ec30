#pragma once

#include <optional>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// Decides what becomes of an unfinished run in the work folder, and marks the folder as this
/// configuration's. Throws UserError when there is one and neither `resume` nor `fresh` says what to do, or
/// when `resume` meets another configuration (names the keys and both values).
void claim_workspace(const Config& config, Workspace& workspace, bool resume, bool fresh);

/// The results in config.output, if they are those of a finished run of this configuration.
std::optional<RunResults> finished_results(const Config& config, const Workspace& workspace);

}  // namespace bitsmith::experiments
