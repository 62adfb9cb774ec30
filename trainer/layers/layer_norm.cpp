#include "trainer/layers/layer_norm.hpp"

#include <algorithm>

#include "quant/kernels/token_kernels.hpp"

namespace bitsmith::trainer {

LayerNorm::LayerNorm(const LayerArguments& arguments)
    : gamma_(arguments.weight),
      beta_(arguments.bias),
      epsilon_(arguments.node.epsilon),
      channels_(arguments.input().channels),
      pixels_(arguments.input().pixels()) {}

void LayerNorm::reserve(int parts, std::span<const int>, bool backward) {
  if (!backward) return;
  sums_.resize(std::max(sums_.size(), static_cast<std::size_t>(parts)));
  for (auto& sums : sums_) sums.resize(2 * static_cast<std::size_t>(channels_));
}

void LayerNorm::forward(const ForwardPart& part) {
  quant::token_kernels().layer_norm(part.x[0], part.samples * pixels_, channels_, gamma_->value.data(),
                                    beta_->value.data(), epsilon_, part.y);
}

void LayerNorm::backward(const BackwardPart& part) {
  auto& sums = sums_[static_cast<std::size_t>(part.part)];
  if (part.first) std::ranges::fill(sums, 0.0);
  quant::token_kernels().layer_norm_backward(part.x[0], part.dy, part.samples * pixels_, channels_,
                                             gamma_->value.data(), epsilon_, sums.data(),
                                             sums.data() + channels_, part.dx[0]);
}

void LayerNorm::finish_backward(int parts) {
  for (int c = 0; c < channels_; ++c) {
    const auto at = static_cast<std::size_t>(c);
    double gamma = 0, beta = 0;
    for (int p = 0; p < parts; ++p) {
      const auto& sums = sums_[static_cast<std::size_t>(p)];
      gamma += sums[at];
      beta += sums[at + static_cast<std::size_t>(channels_)];
    }
    gamma_->gradient[at] = static_cast<float>(gamma);
    beta_->gradient[at] = static_cast<float>(beta);
  }
}

}  // namespace bitsmith::trainer
