#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/formats/format.hpp"

namespace bitsmith::quant {

enum class Granularity { tensor, channel };
/// How the range that integers cover is found. Names, rules and sources: calibration_methods(). Later values
/// come at the end: configurations know a method by its place.
enum class Calibration { minmax, ema, mse, kl, percentile, kl_haq, octav, mse_fine };

/// Activations at scales that calibration fixed, or at one for each image that is found as it comes.
enum class ActivationScales { fixed, dynamic };

/// How quantization-aware training quantizes weights, or a layer's input, and what gradients pass. Names,
/// rules and sources: weight_methods() and activation_methods() of qat_methods.hpp. Later values come at the
/// end.
enum class WeightMethod {
  straight_through,
  format,
  dorefa,
  lsq,
  lsq_plus,
  binary_connect,
  bwn,
  xnor,
  ternary_split,
  twn,
  ttq,
  bitnet,
  kmeans
};
enum class ActivationMethod { straight_through, dorefa, pact, lsq, lsq_plus, binary, bitnet };

/// What quantization-aware training does with batch norms.
enum class QatBatchNorm {
  recalibrated,  ///< batch statistics in training, measured anew at its end
  folded,        ///< likewise, and weights are quantized as if multiplied by gamma / deviation
  frozen         ///< running statistics in training, unchanged
};

/// What one layer has instead of what QuantizationOptions and the policy say.
struct LayerOverride {
  std::string layer;
  std::optional<WeightMethod> weight_method;
  std::optional<ActivationMethod> activation_method;
  std::optional<Format> weight_format, activation_format;
};

/// How weights and activations become integers. Defaults follow common practice; see quant/README.md.
struct QuantizationOptions {
  Granularity weight_granularity =
      Granularity::channel;  ///< one weight scale per tensor or per output channel
  Calibration weight_calibration = Calibration::mse_fine;  ///< any but ema: weights are seen once
  Calibration activation_calibration = Calibration::mse_fine;
  ActivationScales activation_scales = ActivationScales::fixed;
  double percentile = 99.99;     ///< of magnitudes that `percentile` leaves unclipped, in percent
  int histogram_bins = 2048;     ///< of kl, and of whatever else looks at activations' histograms
  int calibration_images = 512;  ///< training images that set the activation ranges; fixed within a run
  int first_layer_bits = 8;  ///< of weights and activations of the first layer; 0: searched like any other
  int last_layer_bits = 8;   ///< likewise, of the last layer

  WeightMethod weight_method = WeightMethod::straight_through;
  ActivationMethod activation_method = ActivationMethod::straight_through;
  std::vector<LayerOverride> layers = {};  ///< in the configuration's order, names unique
  QatBatchNorm batch_norm = QatBatchNorm::recalibrated;
  /// After so many epochs of training under quantization batch norms use their running statistics and leave
  /// them alone, whatever batch_norm says; 0: never.
  double freeze_batch_norm_epochs = 0;
  /// For so many epochs activation ranges follow a moving average; then they stay. 0: they stay as
  /// calibrated.
  double observer_epochs = 0;
  /// Integers of fewer bits than the policy's start at these, descending, for progressive_epochs each.
  std::vector<int> progressive_bits = {};
  double progressive_epochs = 1;
};

}  // namespace bitsmith::quant
