#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/pipeline/imported_names.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "trainer/deployed_model.hpp"
#include "trainer/network.hpp"

namespace bitsmith::experiments {

/// What `bitsmith export` is asked for, of what.
struct ExportRequest {
  std::string model;       ///< .bsm; results of `run`, .h5; a quantized .onnx; or a configuration
  std::string policy;      ///< YAML; empty: the model's own
  std::string checkpoint;  ///< of the configuration's network, in place of its trained one; empty: none
  std::vector<std::string> overrides;  ///< of the configuration
  bool fp32 = false;                   ///< the trained network is asked for, not its integers
};

/// Either is there: which one was asked for.
struct ExportSource {
  std::optional<trainer::Network> network;
  std::optional<trainer::DeployedModel> deployed;
  std::string policy;       ///< one line; empty: none is known
  std::string policy_hash;  ///< likewise
  trainer::InputForm input;
  NamedTexts provenance;
  ImportedNames names;
};

/// Finds it. Nothing is trained; a policy for a network that was not trained under one is applied as `ptq`
/// begins: weights and activations calibrated on training images, rounded to nearest. Throws UserError (what
/// is missing or contradicts itself, and which command makes it).
ExportSource export_source(const ExportRequest& request, const Reporter& reporter);

}  // namespace bitsmith::experiments
