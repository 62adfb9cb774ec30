#include "trainer/layers/position.hpp"

#include <algorithm>

namespace bitsmith::trainer {

void Position::reserve(int parts, std::span<const int>, bool backward) {
  if (!backward) return;
  sums_.resize(std::max(sums_.size(), static_cast<std::size_t>(parts)));
  for (auto& sums : sums_) sums.resize(static_cast<std::size_t>(elements_));
}

void Position::forward(const ForwardPart& part) {
  const float* p = values_->value.data();
  for (int n = 0; n < part.samples; ++n)
    for (std::int64_t i = 0; i < elements_; ++i)
      part.y[n * elements_ + i] = part.x[0][n * elements_ + i] + p[i];
}

void Position::backward(const BackwardPart& part) {
  float* sums = sums_[static_cast<std::size_t>(part.part)].data();
  if (part.first) std::fill_n(sums, elements_, 0.0f);
  for (int n = 0; n < part.samples; ++n)
    for (std::int64_t i = 0; i < elements_; ++i) sums[i] += part.dy[n * elements_ + i];
  if (part.dx[0] != nullptr && part.dx[0] != part.dy)
    std::copy_n(part.dy, part.samples * elements_, part.dx[0]);
}

void Position::finish_backward(int parts) {
  std::ranges::fill(values_->gradient, 0.0f);
  for (int p = 0; p < parts; ++p)
    for (std::size_t i = 0; i < values_->gradient.size(); ++i)
      values_->gradient[i] += sums_[static_cast<std::size_t>(p)][i];
}

}  // namespace bitsmith::trainer
