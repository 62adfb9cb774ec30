#pragma once

namespace bitsmith::quant {

enum class Granularity { tensor, channel };
/// How the range that integers cover is found. Names, rules and sources: calibration_methods(). Later values
/// come at the end: configurations know a method by its place.
enum class Calibration { minmax, ema, mse, kl, percentile, kl_haq, octav, mse_fine };

/// Activations at scales that calibration fixed, or at one for each image that is found as it comes.
enum class ActivationScales { fixed, dynamic };

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
};

}  // namespace bitsmith::quant
