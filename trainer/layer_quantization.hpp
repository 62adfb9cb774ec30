#pragma once

#include <vector>

#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "trainer/qat/learned.hpp"

namespace bitsmith::trainer {

/// How one layer's forward quantizes its input and its weights. The default quantizes nothing.
struct LayerQuantization {
  quant::Format weight_format = quant::kFloatBits;
  quant::Granularity weight_granularity = quant::Granularity::channel;
  /// Of integers, per scale (one, or one per output channel): the share of the largest |w| at which weights
  /// are clipped, 0..1]. Empty: 1, that is min-max. Found once by calibration; the scales themselves follow
  /// the latent weights each step.
  std::vector<float> weight_clip;
  /// Where not empty, the scales themselves (one, or one per output channel): they no longer follow the
  /// weights, and weight_clip is empty. What post-training rounding leaves behind: its weights lie on these
  /// levels, so that rounding them once more changes nothing.
  std::vector<float> weight_scales;

  int activation_bits = quant::kFloatBits;
  bool activation_signed = true;
  float activation_scale = 1.0f;    ///< fixed by calibration
  bool activation_dynamic = false;  ///< each image brings its own instead

  // How training quantizes; trainer/qat/README.md.
  quant::WeightMethod weight_method = quant::WeightMethod::straight_through;
  quant::ActivationMethod activation_method = quant::ActivationMethod::straight_through;
  /// Weights are quantized as if multiplied by gamma / sqrt(running variance + epsilon) of the batch norm
  /// behind the layer, and divided by it again. straight_through alone, integers.
  bool folds_batch_norm = false;
  /// The input's scale is that of the range in the buffer LAYER.input_range, not activation_scale;
  /// straight_through alone. `observing`: training moves the range.
  bool observes_input = false, observing = false;
  LearnedQuantization learned;  ///< set by Network, whatever it is given

  bool quantizes_weights() const { return !weight_format.is_float(); }
  bool quantizes_activations() const { return activation_bits != quant::kFloatBits; }
};

}  // namespace bitsmith::trainer
