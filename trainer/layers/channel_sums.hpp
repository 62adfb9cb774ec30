#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bitsmith::trainer {

/// Gradients of parameters with a value for each channel: sums over the samples of every part, in double,
/// added up in the order of the parts.
class ChannelSums {
 public:
  explicit ChannelSums(int channels) : channels_(static_cast<std::size_t>(channels)) {}

  void reserve(int parts) {
    sums_.resize(std::max(sums_.size(), static_cast<std::size_t>(parts)));
    for (auto& sums : sums_) sums.resize(channels_);
  }
  /// Of one part; zeros where its first piece begins.
  double* of(int part, bool first) {
    auto& sums = sums_[static_cast<std::size_t>(part)];
    if (first) std::ranges::fill(sums, 0.0);
    return sums.data();
  }
  void total(int parts, std::vector<float>& gradient) const {
    for (std::size_t c = 0; c < channels_; ++c) {
      double sum = 0;
      for (int p = 0; p < parts; ++p) sum += sums_[static_cast<std::size_t>(p)][c];
      gradient[c] = static_cast<float>(sum);
    }
  }

 private:
  std::size_t channels_;
  std::vector<std::vector<double>> sums_;
};

}  // namespace bitsmith::trainer
