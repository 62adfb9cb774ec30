#pragma once

#include <string>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/deployed_accuracy.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "quant/network_info.hpp"
#include "quant/policy.hpp"
#include "trainer/ptq/ptq.hpp"

namespace bitsmith::experiments {

/// What `bitsmith ptq` has found.
struct PtqReport {
  std::string config;  ///< resolved, YAML
  std::string network;
  quant::NetworkInfo info;  ///< of the quantized network: batch norms folded
  quant::Policy policy;
  int seed = 0;
  std::vector<trainer::ptq::PtqStep> steps;
  std::vector<trainer::ptq::LayerError> errors;        ///< per layer
  std::vector<trainer::ptq::LayerRounding> roundings;  ///< per layer
  DeployedAccuracy on_integers;                        ///< on the validation images
  std::string model;                                   ///< file of the deployed model
};

/// Trains or loads the fp32 network (see obtain_network: an interrupted training goes on), quantizes it after
/// training as config.ptq says, lowers it to integers and runs those. Leaves beside config.output, x.h5: the
/// deployed model x.ptq.bsm, x.ptq.policy.yaml, and the report as x.ptq.json. Throws UserError before
/// anything is trained for a policy that does not fit the network.
PtqReport run_ptq(const Config& config, const Reporter& reporter);

std::string ptq_text(const PtqReport& report);
std::string ptq_json(const PtqReport& report);

}  // namespace bitsmith::experiments
