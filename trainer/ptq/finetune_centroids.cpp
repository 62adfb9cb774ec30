#include "trainer/ptq/finetune_centroids.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/weight_encoding.hpp"
#include "trainer/ptq/layer_samples.hpp"

namespace bitsmith::trainer::ptq {
namespace {

/// A layer's weights as clusters of one codebook, and its blocks at work.
class CentroidFit {
 public:
  CentroidFit(const LayerSamples& samples, const quant::Encoded& encoded, int batch)
      : depth_(static_cast<std::size_t>(samples.depth())),
        codes_(encoded.codes),
        centroids_(encoded.codebook),
        weights_(codes_.size()),
        gradient_(codes_.size()),
        sums_(samples.blocks().size()) {
    for (const LayerSamples::Block& block : samples.blocks()) {
      firsts_.push_back(static_cast<std::size_t>(block.first) * depth_);
      blocks_.emplace_back(block.task, batch);
    }
    for (auto& sums : sums_) sums.resize(centroids_.size());
    spread();
  }

  std::vector<float>& centroids() { return centroids_; }
  const std::vector<float>& weights() const { return weights_; }

  /// Puts each cluster's weights where its centroid is.
  void spread() {
    for (std::size_t i = 0; i < codes_.size(); ++i)
      weights_[i] = centroids_[static_cast<std::size_t>(codes_[i])];
  }

  /// The gradient of the loss of a stretch of rows by the centroids.
  void gradient(int first, int count, std::span<double> by_centroid) {
    base::parallel_for(static_cast<int>(blocks_.size()), [&](int b) {
      const auto i = static_cast<std::size_t>(b);
      blocks_[i].loss(weights_.data() + firsts_[i], first, count, gradient_.data() + firsts_[i]);
      std::ranges::fill(sums_[i], 0.0);
      for (std::size_t w = firsts_[i]; w < end_of(i); ++w)
        sums_[i][static_cast<std::size_t>(codes_[w])] += static_cast<double>(gradient_[w]);
    });
    std::ranges::fill(by_centroid, 0.0);
    for (const auto& sums : sums_)  // in the order of blocks
      std::ranges::transform(by_centroid, sums, by_centroid.begin(), std::plus<>());
  }

  double total_loss() {
    std::vector<double> per_block(blocks_.size());
    base::parallel_for(static_cast<int>(blocks_.size()), [&](int b) {
      const auto i = static_cast<std::size_t>(b);
      std::vector<double> losses(static_cast<std::size_t>(blocks_[i].task().outputs));
      blocks_[i].losses(std::span(weights_).subspan(firsts_[i], end_of(i) - firsts_[i]), losses);
      per_block[i] = std::accumulate(losses.begin(), losses.end(), 0.0);
    });
    return std::accumulate(per_block.begin(), per_block.end(), 0.0);
  }

 private:
  std::size_t end_of(std::size_t block) const {
    return firsts_[block] + static_cast<std::size_t>(blocks_[block].task().outputs) * depth_;
  }

  std::size_t depth_;
  std::vector<std::int32_t> codes_;
  std::vector<float> centroids_, weights_, gradient_;
  std::vector<Reconstruction> blocks_;
  std::vector<std::size_t> firsts_;        ///< per block: its first weight
  std::vector<std::vector<double>> sums_;  ///< per block and centroid
};

LayerRounding fit_layer(CentroidFit& fit, int rows, int batch, const CentroidOptions& options,
                        std::uint64_t seed) {
  LayerRounding result;
  const std::vector<float> before = fit.centroids();
  result.nearest_loss = fit.total_loss();
  double largest = 0;
  for (float c : before) largest = std::max(largest, std::abs(static_cast<double>(c)));

  std::vector<double> gradient(before.size()), first(before.size()), second(before.size());
  base::Rng rng(seed);
  const int count = std::min(batch, rows);
  for (int i = 0; i < options.iterations; ++i) {
    const auto from = static_cast<int>(rng.below(static_cast<std::uint64_t>(rows - count) + 1));
    fit.gradient(from, count, gradient);
    const double rate =
        options.learning_rate * largest * 0.5 * (1 + std::cos(std::numbers::pi * i / options.iterations));
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      first[k] = 0.9 * first[k] + 0.1 * gradient[k];
      second[k] = 0.999 * second[k] + 0.001 * gradient[k] * gradient[k];
      const double m = first[k] / (1 - std::pow(0.9, i + 1)), v = second[k] / (1 - std::pow(0.999, i + 1));
      fit.centroids()[k] =
          static_cast<float>(static_cast<double>(fit.centroids()[k]) - rate * m / (std::sqrt(v) + 1e-12));
    }
    fit.spread();
  }
  result.loss = fit.total_loss();
  if (result.loss >= result.nearest_loss) {
    result.loss = result.nearest_loss;
    fit.centroids() = before;
    fit.spread();
  }
  return result;
}

}  // namespace

bool has_centroids(quant::Format format) {
  return !format.is_float() && format.row().kind == quant::FormatKind::kmeans;
}

std::vector<LayerRounding> finetune_centroids(Network& quantized, const Network& reference,
                                              const Tensor& images, const SampleOptions& sample,
                                              const CentroidOptions& options, std::uint64_t seed,
                                              const base::Progress& progress) {
  const auto& layers = reference.info().layers;
  std::vector<LayerRounding> results(layers.size());
  walk_layers(quantized, reference, images, [&](int layer, const NodeWalk& got, const NodeWalk& wanted) {
    const auto l = static_cast<std::size_t>(layer);
    const LayerQuantization& q = quantized.quantization(layer);
    if (has_centroids(q.weight_format)) {
      auto& weights = quantized.find_parameter(layers[l].name + ".weight")->value;
      const LayerSamples samples(quantized, layer, got, wanted, sample,
                                 base::derive_seed(seed, "positions", l));
      CentroidFit fit(
          samples,
          quant::encode_weights(weights, layers[l].output.channels, q.weight_format, q.weight_granularity),
          sample.batch);
      results[l] =
          fit_layer(fit, samples.rows(), sample.batch, options, base::derive_seed(seed, "centroids", l));
      weights = fit.weights();
    }
    progress("layer", layer + 1.0, static_cast<double>(layers.size()), layers[l].name);
  });
  return results;
}

}  // namespace bitsmith::trainer::ptq
