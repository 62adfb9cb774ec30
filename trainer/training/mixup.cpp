#include "trainer/training/mixup.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

// The logarithm of a Gamma(shape, 1) variate. Marsaglia and Tsang (2000) for shapes of 1 and more; smaller
// ones are the next larger one times U^(1/shape), whose logarithm never underflows.
double log_gamma_variate(base::Rng& rng, double shape) {
  if (shape < 1.0) {
    const double boost = std::log(1.0 - rng.uniform()) / shape;
    return log_gamma_variate(rng, shape + 1.0) + boost;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = rng.normal(), root = 1.0 + c * x;
    const double u = 1.0 - rng.uniform();
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

}  // namespace

double draw_symmetric_beta(base::Rng& rng, double alpha) {
  const double a = log_gamma_variate(rng, alpha), b = log_gamma_variate(rng, alpha);
  return 1.0 / (1.0 + std::exp(b - a));
}

Mixup::Mixup(double alpha, std::uint64_t seed) : alpha_(alpha), seed_(seed) {
  if (!(alpha >= 0.0 && std::isfinite(alpha)))
    throw base::UserError(fmt::format("mixup: got {}, allowed is 0 and more", alpha));
}

void Mixup::draw_order(base::Rng& rng, int count) {
  order_.resize(static_cast<std::size_t>(count));
  std::iota(order_.begin(), order_.end(), 0);
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i)]);
}

const Tensor& Mixup::mix(const Tensor& images, const std::vector<int>& labels, std::int64_t step) {
  mixed_labels_ = {labels, {}, 1.0};
  if (alpha_ == 0.0) return images;
  base::Rng rng(base::derive_seed(seed_, "mixup", static_cast<std::uint64_t>(step)));
  const double share = draw_symmetric_beta(rng, alpha_);
  draw_order(rng, images.batch());
  mixed_.resize(images.batch(), images.shape());
  other_labels_.resize(labels.size());
  const auto own = static_cast<float>(share), others = static_cast<float>(1.0 - share);
  const std::int64_t elements = images.shape().elements();
  for (int n = 0; n < images.batch(); ++n) {
    const int partner = order_[static_cast<std::size_t>(n)];
    other_labels_[static_cast<std::size_t>(n)] = labels[static_cast<std::size_t>(partner)];
    const float *a = images.sample(n), *b = images.sample(partner);
    float* const out = mixed_.sample(n);
    for (std::int64_t i = 0; i < elements; ++i) out[i] = own * a[i] + others * b[i];
  }
  mixed_labels_ = {labels, other_labels_, share};
  return mixed_;
}

}  // namespace bitsmith::trainer
