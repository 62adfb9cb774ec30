// Trained ternary quantization: -Wn, 0, +Wp, both learned.

#include <algorithm>

#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

void update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  encode_format(weight, q, state);
  const std::vector<float>&positive = q.learned.weight_positive->value,
        &negative = q.learned.weight_negative->value;
  for (std::size_t r = 0; r < positive.size(); ++r) {
    state.encoded.codebook[2 * r] = std::max(positive[r], kLeastStep);
    state.encoded.codebook[2 * r + 1] = std::max(negative[r], kLeastStep);
  }
  decode_format(state);
}

/// Zhu et al., equations 7 and 8; the sign of dWn is the derivative's, which the paper leaves out.
void backward(Parameter& weight, const LayerQuantization& q, const WeightState& state) {
  const WeightRows rows = weight_rows(weight, q);
  for (std::size_t r = 0; r < rows.count; ++r) {
    double positive = 0, negative = 0;
    const float top = state.encoded.codebook[2 * r], bottom = state.encoded.codebook[2 * r + 1];
    for (std::size_t i = r * rows.size; i < (r + 1) * rows.size; ++i) {
      float& g = weight.gradient[i];
      const int code = state.encoded.codes[i];
      if (code > 0) positive += static_cast<double>(g);
      if (code < 0) negative -= static_cast<double>(g);
      g *= code > 0 ? top : code < 0 ? bottom : 1.0f;
    }
    q.learned.weight_positive->gradient[r] = static_cast<float>(positive);
    q.learned.weight_negative->gradient[r] = static_cast<float>(negative);
  }
}

std::vector<LearnedParameter> magnitudes(const Parameter& weight, const LayerQuantization& q) {
  const auto of_side = [&weight, q](std::size_t side) {
    return [&weight, q, side] {
      WeightState state;
      encode_format(weight, q, state);
      std::vector<float> values;
      for (std::size_t r = 0; r < weight_rows(weight, q).count; ++r)
        values.push_back(std::max(state.encoded.codebook[2 * r + side], kLeastStep));
      return values;
    };
  };
  const std::vector<int> shape{static_cast<int>(weight_rows(weight, q).count)};
  return {{"weight_positive", &LearnedQuantization::weight_positive, shape, false, of_side(0)},
          {"weight_negative", &LearnedQuantization::weight_negative, shape, false, of_side(1)}};
}

}  // namespace

const WeightMethodCode kTtqWeights{
    .method = quant::WeightMethod::ttq, .update = update, .backward = backward, .parameters = magnitudes};

}  // namespace bitsmith::trainer
