#pragma once

#include <vector>

#include "trainer/network.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

/// How much of a signal is left: 10 log10(sum x^2 / sum (x - y)^2) in dB, infinite where nothing has changed;
/// and the cosine of the angle between x and y, 1 where both are zero.
struct Likeness {
  double sqnr_db = 0, cosine = 1;
};

/// Of one layer: its weights, and its output with everything before it quantized too.
struct LayerError {
  Likeness weights, output;
};

/// `quantized` has the description of `reference`. One entry per layer.
std::vector<LayerError> layer_errors(const Network& quantized, const Network& reference,
                                     const Tensor& images);

}  // namespace bitsmith::trainer::ptq
