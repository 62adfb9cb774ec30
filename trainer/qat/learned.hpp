#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// What one layer adds to the gradients of its input's learned numbers.
struct InputGradient {
  double size = 0;    ///< of the step, or of the clip
  double offset = 0;  ///< of the offset
};

/// The numbers that a layer's quantizers have beside weights and calibrated scales. They are Parameters and
/// Buffers of its Network, which sets these pointers (LearnedNumbers) and keeps them right; nullptr: the
/// layer's methods have no such number.
struct LearnedQuantization {
  Parameter* weight_step = nullptr;  ///< lsq, lsq_plus: one, or one per output channel
  Parameter* weight_positive = nullptr;
  Parameter* weight_negative = nullptr;   ///< ttq, likewise: Wp and Wn
  Parameter* weight_second = nullptr;     ///< ternary_split: latent weights of the second half
  Parameter* weight_centroids = nullptr;  ///< kmeans: 2^bits
  Buffer* weight_codes = nullptr;         ///< kmeans: each weight's centroid

  Parameter* input_step = nullptr;    ///< lsq, lsq_plus
  Parameter* input_clip = nullptr;    ///< pact
  Parameter* input_offset = nullptr;  ///< lsq_plus
  Buffer* input_range = nullptr;      ///< straight_through that observes: the largest magnitude
  InputGradient* input_gradient = nullptr;

  const Parameter* gamma = nullptr;  ///< of the batch norm behind the layer, where it is folded
  const Buffer* variance = nullptr;
  double epsilon = 0;
};

/// Learned steps and clips do not go below it.
inline constexpr float kLeastStep = 1e-8f;

/// A learned number to be: `suffix` follows the layer's name and a dot.
struct LearnedParameter {
  const char* suffix;
  Parameter* LearnedQuantization::*place;
  std::vector<int> shape;
  bool decays;
  std::function<std::vector<float>()> start;
};
struct LearnedBuffer {
  const char* suffix;
  Buffer* LearnedQuantization::*place;
  std::function<std::vector<float>()> start;
};

}  // namespace bitsmith::trainer
