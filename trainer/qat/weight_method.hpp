#pragma once

#include <cstdint>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "quant/quantizer.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// Quantized weights: what WeightQuantizer shows.
struct WeightState {
  std::vector<float> values;
  std::vector<float> scales;        ///< of `levels`: one, or one per output channel
  std::vector<std::int8_t> levels;  ///< empty for formats that are decoded
  quant::Encoded encoded;           ///< formats other than integers
};

/// How one WeightMethod computes; the functions that a method does not need are nullptr.
struct WeightMethodCode {
  quant::WeightMethod method;
  /// Fits `state` to finite latent weights (outputs x the rest).
  void (*update)(const Parameter& weight, const LayerQuantization& quantization, WeightState& state);
  /// In: weight.gradient with respect to the values. Out: with respect to the latent weights, and the
  /// gradients of the layer's learned weight numbers.
  void (*backward)(Parameter& weight, const LayerQuantization& quantization, const WeightState& state);
  /// The numbers that the method adds, from the present weights. `weight` must live until `start` is called.
  std::vector<LearnedParameter> (*parameters)(const Parameter& weight,
                                              const LayerQuantization& quantization) = nullptr;
  std::vector<LearnedBuffer> (*buffers)(const Parameter& weight,
                                        const LayerQuantization& quantization) = nullptr;
  /// After these have been made: other latent weights to start from.
  void (*begin)(Parameter& weight, const LayerQuantization& quantization) = nullptr;
  /// Puts latent weights back where the method keeps them: before each training step's forward.
  void (*project)(Parameter& weight, const LayerQuantization& quantization) = nullptr;
};

/// The code of quantization.weight_method.
const WeightMethodCode& weight_method_code(quant::WeightMethod method);

// One of each per file pair weights_*.
extern const WeightMethodCode kStraightThroughWeights, kFormatWeights, kDorefaWeights, kLsqWeights,
    kLsqPlusWeights, kBinaryConnectWeights, kBwnWeights, kXnorWeights, kTernarySplitWeights, kTwnWeights,
    kTtqWeights, kBitnetWeights, kKmeansWeights;

/// Rows that have a scale of their own: one per output channel, or one in all.
struct WeightRows {
  std::size_t count = 0, size = 0;
};
WeightRows weight_rows(const Parameter& weight, const LayerQuantization& quantization);
/// Of integer formats.
quant::IntegerRange weight_range(const LayerQuantization& quantization);

/// values and levels of integers at state.scales, one for each row.
void round_to_levels(const float* weights, std::size_t size, quant::IntegerRange range, WeightState& state);
/// The format's own encoder, with levels where kernels have them.
void encode_format(const Parameter& weight, const LayerQuantization& quantization, WeightState& state);
/// values and levels of state.encoded.
void decode_format(WeightState& state);

}  // namespace bitsmith::trainer
