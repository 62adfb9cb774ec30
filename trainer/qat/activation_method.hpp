#pragma once

#include "quant/quantizer.hpp"
#include "trainer/layer_quantization.hpp"

namespace bitsmith::trainer {

/// The step between two levels of a layer's quantized input, however its method finds it; what calibration
/// said, where each image brings its own.
float input_scale(const LayerQuantization& quantization);

/// Whether integer networks compute the layer's input as training does. Not with an offset, and not the signs
/// of signed inputs: what writes integers rounds and clamps.
bool runs_on_integers(const LayerQuantization& quantization);

/// The numbers that the layer's activation method adds, from activation_scale; `parameters` are shared by
/// layers that read the same tensor.
std::vector<LearnedParameter> input_parameters(const LayerQuantization& quantization);
std::vector<LearnedBuffer> input_buffers(const LayerQuantization& quantization);

}  // namespace bitsmith::trainer
