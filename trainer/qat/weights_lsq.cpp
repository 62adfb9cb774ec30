// Learned step sizes (LSQ, LSQ+).

#include <algorithm>
#include <cmath>

#include "trainer/kernels/quantizer_passes.hpp"
#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

void update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  const std::vector<float>& steps = q.learned.weight_step->value;
  state.scales.resize(steps.size());
  std::ranges::transform(steps, state.scales.begin(), [](float step) { return std::max(step, kLeastStep); });
  round_to_levels(weight.value.data(), weight.value.size(), weight_range(q), state);
}

void backward(Parameter& weight, const LayerQuantization& q, const WeightState& state) {
  const quant::IntegerRange range = weight_range(q);
  const std::size_t rows = state.scales.size(), row = weight.value.size() / rows;
  const double factor = 1.0 / std::sqrt(static_cast<double>(row) * range.high);
  for (std::size_t r = 0; r < rows; ++r) {
    double step = 0, shift = 0;
    quantizer_passes().step_backward(&weight.value[r * row], static_cast<std::int64_t>(row), state.scales[r],
                                     0.0f, static_cast<float>(range.low), static_cast<float>(range.high),
                                     &weight.gradient[r * row], &step, &shift);
    q.learned.weight_step->gradient[r] = static_cast<float>(factor * step);
  }
}

/// start_of_row is called with a row's mean, mean square and mean magnitude, and gives a step.
template <typename StartOfRow>
std::vector<LearnedParameter> steps(const Parameter& weight, const LayerQuantization& q,
                                    const StartOfRow& start_of_row) {
  const WeightRows rows = weight_rows(weight, q);
  const auto start = [&weight, rows, start_of_row] {
    std::vector<float> values;
    for (std::size_t r = 0; r < rows.count; ++r) {
      double sum = 0, squares = 0, magnitudes = 0;
      for (std::size_t i = r * rows.size; i < (r + 1) * rows.size; ++i) {
        const auto w = static_cast<double>(weight.value[i]);
        sum += w;
        squares += w * w;
        magnitudes += std::abs(w);
      }
      const auto n = static_cast<double>(rows.size);
      const auto step = static_cast<float>(start_of_row(sum / n, squares / n, magnitudes / n));
      values.push_back(step > 0 ? std::max(step, kLeastStep) : 1.0f);
    }
    return values;
  };
  return {{"weight_step", &LearnedQuantization::weight_step, {static_cast<int>(rows.count)}, false, start}};
}

std::vector<LearnedParameter> lsq_steps(const Parameter& weight, const LayerQuantization& q) {
  const double high = weight_range(q).high;
  return steps(weight, q,
               [high](double, double, double magnitude) { return 2 * magnitude / std::sqrt(high); });
}

std::vector<LearnedParameter> lsq_plus_steps(const Parameter& weight, const LayerQuantization& q) {
  const double half = weight_range(q).high + 1;
  return steps(weight, q, [half](double mean, double square, double) {
    const double three = 3 * std::sqrt(std::max(0.0, square - mean * mean));
    return std::max(std::abs(mean - three), std::abs(mean + three)) / half;
  });
}

}  // namespace

using enum quant::WeightMethod;
const WeightMethodCode kLsqWeights{
    .method = lsq, .update = update, .backward = backward, .parameters = lsq_steps};
const WeightMethodCode kLsqPlusWeights{
    .method = lsq_plus, .update = update, .backward = backward, .parameters = lsq_plus_steps};

}  // namespace bitsmith::trainer
