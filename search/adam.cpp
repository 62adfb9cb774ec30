#include "search/adam.hpp"

#include <Eigen/Core>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::search {
namespace {

constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEpsilon = 1e-8f;

using Values = Eigen::Map<Eigen::ArrayXf>;
using ConstValues = Eigen::Map<const Eigen::ArrayXf>;

}  // namespace

Adam::Adam(std::size_t parameters, double learning_rate)
    : learning_rate_(learning_rate), first_(parameters), second_(parameters) {}

void Adam::step(std::span<float> parameters, std::span<const float> gradient) {
  base::require(parameters.size() == first_.size() && gradient.size() == first_.size(), "Adam: another size");
  const auto size = static_cast<Eigen::Index>(first_.size());
  ++steps_;
  const double bias1 = 1.0 - std::pow(double{kBeta1}, static_cast<double>(steps_));
  const double bias2 = 1.0 - std::pow(double{kBeta2}, static_cast<double>(steps_));
  const auto rate = static_cast<float>(learning_rate_ / bias1);
  const auto root = static_cast<float>(1.0 / std::sqrt(bias2));
  Values m(first_.data(), size), v(second_.data(), size), x(parameters.data(), size);
  const ConstValues g(gradient.data(), size);
  m = kBeta1 * m + (1.0f - kBeta1) * g;
  v = kBeta2 * v + (1.0f - kBeta2) * g.square();
  x -= rate * m / (v.sqrt() * root + kEpsilon);
}

void soft_update(std::span<float> target, std::span<const float> source, double tau) {
  base::require(target.size() == source.size(), "soft_update: another size");
  const auto size = static_cast<Eigen::Index>(target.size());
  Values to(target.data(), size);
  const ConstValues from(source.data(), size);
  to += static_cast<float>(tau) * (from - to);
}

}  // namespace bitsmith::search
