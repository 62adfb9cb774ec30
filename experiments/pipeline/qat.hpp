#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/deployed_accuracy.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/results.hpp"
#include "quant/network_info.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

/// Of the same images: simulated, and on integers where there is a deployed model.
struct QatAccuracy {
  double fp32 = kUnknown;  ///< of the network that training began with; unknown from scratch
  double simulated = kUnknown;
  std::optional<DeployedAccuracy> on_integers;
};

/// What `bitsmith qat` has found.
struct QatReport {
  std::string config;  ///< resolved, YAML
  quant::NetworkInfo info;
  quant::Policy policy;
  std::vector<std::pair<std::string, std::string>> methods;  ///< per layer: of weights, of its input
  int seed = 0;
  QatStart from = QatStart::trained;
  double calibrated_accuracy = kUnknown;  ///< on the validation images, before the first step
  std::vector<TrainingPoint> curve;       ///< after each epoch, on the validation images
  QatAccuracy validation, test;
  std::string model;         ///< file of the deployed model; empty: not deployed
  std::string not_deployed;  ///< why
};

/// Trains under the quantization of config.qat by the methods of config.quantization, as config.finetune
/// says, from the fp32 network (obtain_network) or from fresh weights; measures batch norms anew; evaluates
/// the simulation and the integer network. An interrupted training goes on to the same bits: its checkpoint
/// lies in the work folder. Leaves beside config.output, x.h5: the trained network x.qat.h5, the deployed
/// model x.qat.bsm, x.qat.policy.yaml, and the report as x.qat.json. Throws UserError before anything is
/// trained for a policy or methods that do not fit the network.
QatReport run_qat(const Config& config, const Reporter& reporter);

std::string qat_text(const QatReport& report);
std::string qat_json(const QatReport& report);

}  // namespace bitsmith::experiments
