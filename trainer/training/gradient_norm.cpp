#include "trainer/training/gradient_norm.hpp"

#include <cmath>
#include <cstddef>

namespace bitsmith::trainer {
namespace {

// Four sums side by side: one alone would wait for each addition to end before it begins the next.
double sum_of_squares(const std::vector<float>& values) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= values.size(); i += 4)
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const double x = static_cast<double>(values[i + lane]);
      sums[lane] += x * x;
    }
  for (; i < values.size(); ++i) sums[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

double gradient_norm(const std::vector<Parameter>& parameters) {
  double sum = 0.0;
  for (const Parameter& parameter : parameters) sum += sum_of_squares(parameter.gradient);
  return std::sqrt(sum);
}

void clip_gradients(std::vector<Parameter>& parameters, double norm, double limit) {
  if (limit <= 0.0 || !(norm > limit)) return;
  const auto scale = static_cast<float>(limit / norm);
  for (Parameter& parameter : parameters)
    for (float& gradient : parameter.gradient) gradient *= scale;
}

}  // namespace bitsmith::trainer
