#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// What training changes. Convolution weights are O, I/groups, H, W; linear weights out, in (in in ONNX's C,
/// H, W order); positions H, W, C.
struct Parameter {
  std::string name;  ///< NODE.weight or NODE.bias; for norms these are gamma and beta
  std::vector<int> shape;
  std::vector<float> value;
  std::vector<float> gradient;  ///< of the mean loss; overwritten by each backward
  bool decays = false;          ///< whether weight decay applies: convolution and linear weights only
};

/// What training measures: NODE.running_mean and NODE.running_var of each batch norm.
struct Buffer {
  std::string name;
  std::vector<float> value;
};

/// All parameters in node order, freshly initialised. Convolutions: He normal by fan-out, sqrt(2 / (O/groups
/// * H * W)); linear weights and all biases of convolutions and linears: uniform in +-1/sqrt(fan-in) (as
/// PyTorch); norms: gamma 1, beta 0; positions: normal, deviation
/// 0.02. Each parameter draws from its own seed, derived from `seed` and its
/// name.
std::vector<Parameter> make_parameters(const quant::NetworkInfo& info, std::uint64_t seed);

/// Running means 0, variances 1.
std::vector<Buffer> make_buffers(const quant::NetworkInfo& info);

}  // namespace bitsmith::trainer
