#pragma once

namespace bitsmith::quant {

enum class Granularity { tensor, channel };
enum class Calibration { minmax, ema, mse, kl };

/// How weights and activations become integers. Defaults follow common practice; see quant/README.md.
struct QuantizationOptions {
  Granularity weight_granularity =
      Granularity::channel;  ///< one weight scale per tensor or per output channel
  Calibration weight_calibration =
      Calibration::mse;  ///< minmax, mse or kl; weights are seen once, so not ema
  Calibration activation_calibration = Calibration::mse;
  int calibration_images = 512;  ///< training images that set the activation ranges; fixed within a run
  int first_layer_bits = 8;  ///< of weights and activations of the first layer; 0: searched like any other
  int last_layer_bits = 8;   ///< likewise, of the last layer
};

}  // namespace bitsmith::quant
