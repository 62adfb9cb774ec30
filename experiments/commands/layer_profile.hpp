#pragma once

#include <CLI/App.hpp>
#include <string>

#include "experiments/commands/command.hpp"
#include "hwmodels/options.hpp"

namespace bitsmith::experiments {

/// Of `profile --layers`.
struct LayerProfileOptions {
  std::string list;            ///< file; empty: not asked for
  hwmodels::HostOptions host;  ///< table, batch, samples and sample_ms
};

/// Adds --layers and what goes with it to a command that has the options of a configuration; the two exclude
/// each other, and one of them is required.
void add_layer_profile_options(CLI::App& command, LayerProfileOptions& options);

/// Completes the table with the kernels of the list's layers, and says what that took.
void profile_layers(const LayerProfileOptions& options, bool json, bool quiet, const Streams& streams);

}  // namespace bitsmith::experiments
