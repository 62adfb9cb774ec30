// Deep Compression: each weight keeps the centroid that the start gave it, and centroids are trained.

#include <algorithm>
#include <numeric>

#include "quant/weight_encoding.hpp"
#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

std::size_t code_of(const LayerQuantization& q, std::size_t weight) {
  return static_cast<std::size_t>(q.learned.weight_codes->value[weight]);
}

void update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  const std::vector<float>& centroids = q.learned.weight_centroids->value;
  // Codebooks ascend, and training may move one centroid past another.
  std::vector<std::size_t> order(centroids.size()), place(centroids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return centroids[a] < centroids[b]; });
  state.encoded = quant::weight_encoding_of(std::ssize(weight.value), weight.shape[0], q.weight_format,
                                            q.weight_granularity);
  for (std::size_t k = 0; k < order.size(); ++k) {
    place[order[k]] = k;
    state.encoded.codebook.push_back(centroids[order[k]]);
  }
  state.encoded.codes.resize(weight.value.size());
  for (std::size_t i = 0; i < weight.value.size(); ++i)
    state.encoded.codes[i] = static_cast<std::int32_t>(place[code_of(q, i)]);
  decode_format(state);
}

/// The mean of the members' gradients, as in HAQ: the paper's sum is n / k times as long a step, too long for
/// the rates that suit single weights. Latent weights rest.
void backward(Parameter& weight, const LayerQuantization& q, const WeightState&) {
  std::vector<double> sum(q.learned.weight_centroids->value.size()), count(sum.size());
  for (std::size_t i = 0; i < weight.value.size(); ++i) {
    sum[code_of(q, i)] += static_cast<double>(weight.gradient[i]);
    count[code_of(q, i)] += 1;
  }
  for (std::size_t k = 0; k < sum.size(); ++k)
    q.learned.weight_centroids->gradient[k] = static_cast<float>(sum[k] / std::max(1.0, count[k]));
  std::ranges::fill(weight.gradient, 0.0f);
}

std::vector<LearnedParameter> centroids(const Parameter& weight, const LayerQuantization& q) {
  const auto start = [&weight, q] {
    return quant::encode_weights(weight.value, weight.shape[0], q.weight_format, q.weight_granularity)
        .codebook;
  };
  const int entries = 1 << q.weight_format.element_bits();
  return {{"weight_centroids", &LearnedQuantization::weight_centroids, {entries}, false, start}};
}

std::vector<LearnedBuffer> codes(const Parameter& weight, const LayerQuantization& q) {
  const auto start = [&weight, q] {
    const auto encoded =
        quant::encode_weights(weight.value, weight.shape[0], q.weight_format, q.weight_granularity);
    return std::vector<float>(encoded.codes.begin(), encoded.codes.end());
  };
  return {{"weight_codes", &LearnedQuantization::weight_codes, start}};
}

}  // namespace

const WeightMethodCode kKmeansWeights{.method = quant::WeightMethod::kmeans,
                                      .update = update,
                                      .backward = backward,
                                      .parameters = centroids,
                                      .buffers = codes};

}  // namespace bitsmith::trainer
