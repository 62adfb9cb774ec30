#pragma once

#include <vector>

#include "quant/options.hpp"
#include "quant/policy.hpp"

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

  bool quantizes_weights() const { return !weight_format.is_float(); }
  bool quantizes_activations() const { return activation_bits != quant::kFloatBits; }
};

}  // namespace bitsmith::trainer
