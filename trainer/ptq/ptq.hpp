#pragma once

#include <functional>
#include <string>
#include <vector>

#include "quant/base/progress.hpp"
#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "trainer/batch_source.hpp"
#include "trainer/network.hpp"
#include "trainer/ptq/adaround.hpp"
#include "trainer/ptq/layer_error.hpp"
#include "trainer/ptq/options.hpp"

namespace bitsmith::trainer::ptq {

/// What a step of the pipeline has come to.
struct PtqStep {
  std::string name;           ///< "trained", "fold batch norms", "equalize", ...
  double float_accuracy = 0;  ///< of the network as it is now, in fp32; NaN once weights are rounded for good
  double quantized_accuracy =
      0;               ///< under the policy: calibrated anew, what is not decided rounded to nearest
  double seconds = 0;  ///< of the step alone
  std::string note;    ///< "18 batch norms"
};

struct PtqResult {
  Network network;  ///< under the policy, weights on their levels (LayerQuantization::weight_scales)
  std::vector<PtqStep> steps;
  std::vector<LayerError> errors;        ///< per layer, against the fp32 network that was rounded
  std::vector<LayerRounding> roundings;  ///< per layer: zeros where nothing was learnt
};

struct PtqHooks {
  /// Accuracy of a network in evaluation, 0..1: called after every step.
  std::function<double(Network&)> accuracy;
  std::function<void(const PtqStep&)> after_step;  ///< may be empty
  base::Progress progress = base::no_progress;
};

/// Quantizes a trained network without training it: batch-norm folding, cross-layer equalization (ReLU6
/// become ReLU first), high-bias absorption, calibration, rounding, bias correction, as `options` say; any
/// policy, so that each layer may have bits of its own, weights alone, or none. `images` are training images
/// without augmentation; the first quantization.calibration_images set the activation ranges. Throws
/// UserError for a policy that does not fit, and where images or activations are missing or not finite.
PtqResult quantize_after_training(const Network& trained, const quant::Policy& policy, BatchSource& images,
                                  const quant::QuantizationOptions& quantization, const PtqOptions& options,
                                  std::uint64_t seed, const PtqHooks& hooks);

}  // namespace bitsmith::trainer::ptq
