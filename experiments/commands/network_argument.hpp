#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "quant/network_info.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

/// A network named on the command line: built in, written down (.yaml) or imported (.onnx).
struct NetworkArgument {
  std::string network;  ///< a name or a file
  std::string input;    ///< CxHxW; empty: what an ONNX file says, else 3x32x32
  int classes = 10;     ///< of built-in and described networks
};

void add_network_options(CLI::App& command, NetworkArgument& argument);

struct NamedNetwork {
  quant::NetworkInfo info;
  std::optional<quant::Policy> policy;  ///< what the pairs of quantizers of an ONNX model say, if it has any
};

/// Throws UserError for what cannot be read or built.
NamedNetwork load_network(const NetworkArgument& argument);

/// "fp32", "uniform:BITS", "uniform:WEIGHTS,ACTIVATIONS", or the file of a policy. Throws UserError for
/// others.
quant::Policy policy_argument(const quant::NetworkInfo& network, const std::string& policy);

}  // namespace bitsmith::experiments
