#pragma once

#include <string>

#include "experiments/config/config.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::experiments {

/// What an ONNX model is known by in results: a hash of all that it computes.
std::string model_identity(const trainer::onnx::Model& model);

/// The network of a configuration for images and classes. Throws UserError where it cannot have them.
quant::NetworkInfo build_network(const NetworkOptions& options, quant::Shape input, int classes);

}  // namespace bitsmith::experiments
