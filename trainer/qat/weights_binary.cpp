// -1 and +1: BinaryConnect, BWN, XNOR-Net, and BinaryBERT's split of ternary weights into two binary ones.

#include <algorithm>
#include <cmath>

#include "quant/weight_encoding.hpp"
#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

float sign(float x) { return x >= 0 ? 1.0f : -1.0f; }

double mean_magnitude(const float* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::abs(static_cast<double>(x[i]));
  return sum / static_cast<double>(n);
}

void signs_update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  state.encoded = quant::encode_weights(weight.value, weight.shape[0], q.weight_format, q.weight_granularity);
  std::ranges::fill(state.encoded.scales, 1.0f);
  decode_format(state);
}

void pass_all(Parameter&, const LayerQuantization&, const WeightState&) {}

void keep_in_unit(Parameter& weight, const LayerQuantization&) {
  for (float& w : weight.value) w = std::clamp(w, -1.0f, 1.0f);
}

/// Rastegari et al., section 3.1: g (1 / n + alpha [|w| <= 1]).
void scaled_backward(Parameter& weight, const LayerQuantization& q, const WeightState& state) {
  const WeightRows rows = weight_rows(weight, q);
  const double share = 1.0 / static_cast<double>(rows.size);
  for (std::size_t i = 0; i < weight.value.size(); ++i) {
    const double alpha = static_cast<double>(state.scales[i / rows.size]);
    const double factor = share + (std::abs(weight.value[i]) <= 1.0f ? alpha : 0.0);
    weight.gradient[i] = static_cast<float>(static_cast<double>(weight.gradient[i]) * factor);
  }
}

/// Weights of one filter at one position over the input channels have mean 0, where there are several.
void centre_and_keep(Parameter& weight, const LayerQuantization& q) {
  const auto outputs = static_cast<std::size_t>(weight.shape[0]),
             inputs = static_cast<std::size_t>(weight.shape[1]);
  const std::size_t positions = weight.value.size() / (outputs * inputs);
  for (std::size_t o = 0; o < outputs && inputs > 1; ++o)
    for (std::size_t p = 0; p < positions; ++p) {
      float* first = &weight.value[o * inputs * positions + p];
      double sum = 0;
      for (std::size_t i = 0; i < inputs; ++i) sum += static_cast<double>(first[i * positions]);
      const double mean = sum / static_cast<double>(inputs);
      for (std::size_t i = 0; i < inputs; ++i)
        first[i * positions] = static_cast<float>(static_cast<double>(first[i * positions]) - mean);
    }
  keep_in_unit(weight, q);
}

/// alpha (sign(u) + sign(v)), u and v the two latent tensors, alpha the mean magnitude of both: the levels
/// -2, 0, 2 of one scale, that is a ternary tensor, which kernels multiply.
void split_update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  const std::vector<float>& second = q.learned.weight_second->value;
  const WeightRows rows = weight_rows(weight, q);
  state.encoded = quant::weight_encoding_of(std::ssize(weight.value), weight.shape[0], q.weight_format,
                                            q.weight_granularity);
  state.encoded.codes.resize(weight.value.size());
  for (std::size_t i = 0; i < weight.value.size(); ++i)
    state.encoded.codes[i] = static_cast<std::int32_t>((sign(weight.value[i]) + sign(second[i])) / 2);
  for (std::size_t r = 0; r < rows.count; ++r)
    state.encoded.scales.push_back(
        static_cast<float>(mean_magnitude(&weight.value[r * rows.size], rows.size) +
                           mean_magnitude(&second[r * rows.size], rows.size)));
  decode_format(state);
}

void split_backward(Parameter& weight, const LayerQuantization& q, const WeightState&) {
  q.learned.weight_second->gradient = weight.gradient;
}

/// Of the ternary quantization of w: where it is not zero the halves are a w and (1 - a) w, else they have
/// opposite signs: (w + b, -b) for w > 0 and (b, w - b) else. a makes the mean magnitudes of the halves
/// equal, b makes their sum the ternary scale: before any step the two halves sum to the ternary weights.
struct Split {
  std::vector<float> first, second;
};
Split split(const Parameter& weight, const LayerQuantization& q) {
  WeightState ternary;
  encode_format(weight, q, ternary);
  const WeightRows rows = weight_rows(weight, q);
  Split halves{weight.value, weight.value};
  for (std::size_t r = 0; r < rows.count; ++r) {
    double kept = 0, positive = 0, negative = 0, zeros = 0;  // sums of magnitudes, and a count
    for (std::size_t i = r * rows.size; i < (r + 1) * rows.size; ++i) {
      const auto w = static_cast<double>(weight.value[i]);
      if (ternary.levels[i] != 0)
        kept += std::abs(w);
      else
        (w > 0 ? positive : negative) += std::abs(w);
      zeros += ternary.levels[i] == 0;
    }
    const auto n = static_cast<double>(rows.size);
    const double scale = static_cast<double>(ternary.scales[r]);
    const double a = kept > 0 ? std::clamp((kept + negative - positive) / (2 * kept), 0.05, 0.95) : 0.5;
    const double b = zeros > 0 ? (n * scale - kept - positive - negative) / (2 * zeros) : 0;
    for (std::size_t i = r * rows.size; i < (r + 1) * rows.size; ++i) {
      const auto w = static_cast<double>(weight.value[i]);
      const bool zero = ternary.levels[i] == 0;
      halves.first[i] = static_cast<float>(!zero ? a * w : w > 0 ? w + b : b);
      halves.second[i] = static_cast<float>(!zero ? (1 - a) * w : w > 0 ? -b : w - b);
    }
  }
  return halves;
}

std::vector<LearnedParameter> split_parameters(const Parameter& weight, const LayerQuantization& q) {
  const auto start = [&weight, q] { return split(weight, q).second; };
  return {{"weight_second", &LearnedQuantization::weight_second, weight.shape, true, start}};
}

void begin_split(Parameter& weight, const LayerQuantization& q) { weight.value = split(weight, q).first; }

}  // namespace

using enum quant::WeightMethod;
const WeightMethodCode kBinaryConnectWeights{
    .method = binary_connect, .update = signs_update, .backward = pass_all, .project = keep_in_unit};
const WeightMethodCode kBwnWeights{.method = bwn, .update = encode_format, .backward = scaled_backward};
const WeightMethodCode kXnorWeights{
    .method = xnor, .update = encode_format, .backward = scaled_backward, .project = centre_and_keep};
const WeightMethodCode kTernarySplitWeights{.method = ternary_split,
                                            .update = split_update,
                                            .backward = split_backward,
                                            .parameters = split_parameters,
                                            .begin = begin_split};

}  // namespace bitsmith::trainer
