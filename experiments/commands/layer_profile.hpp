#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/commands/network_argument.hpp"
#include "hwmodels/options.hpp"

namespace bitsmith::experiments {

/// Of `profile --layers` and `profile --network`.
struct LayerProfileOptions {
  std::string list;             ///< file; empty: not asked for
  NetworkArgument network;      ///< in its place
  std::vector<int> bits = {8};  ///< of its weights and activations
  hwmodels::HostOptions host;   ///< table, batch, samples and sample_ms
};

/// Adds --layers, --network and what goes with them to a command that has the options of a configuration;
/// these exclude each other, and one of them is required.
void add_layer_profile_options(CLI::App& command, LayerProfileOptions& options);

/// Completes the table with the kernels of the list's or the network's layers, and says what that took.
void profile_layers(const LayerProfileOptions& options, bool json, bool quiet, const Streams& streams);

}  // namespace bitsmith::experiments
