#include "trainer/ptq/adaround.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "trainer/ptq/layer_samples.hpp"
#include "trainer/ptq/soft_rounding.hpp"

namespace bitsmith::trainer::ptq {
namespace {

/// The exponent of the regularizer; 0 during the warm-up.
double beta_at(const AdaRoundOptions& options, int iteration) {
  const double done = static_cast<double>(iteration) / options.iterations;
  if (done < options.warmup) return 0;
  const double rest = (done - options.warmup) / (1 - options.warmup);
  return options.beta_end +
         0.5 * (options.beta_start - options.beta_end) * (1 + std::cos(std::numbers::pi * rest));
}

/// Learns the rounding of one block; `rounded` holds its weights, rounded to nearest, and gets better ones.
LayerRounding fit_block(const RoundingTask& task, int batch, const AdaRoundOptions& options,
                        std::uint64_t seed, std::span<float> rounded) {
  SoftRounding soft(task, batch);
  Reconstruction& reconstruction = soft.reconstruction();
  const int rows = task.reconstruction.rows, count = reconstruction.batch();
  base::Rng rng(seed);
  for (int i = 0; i < options.iterations; ++i) {
    const auto first = static_cast<int>(rng.below(static_cast<std::uint64_t>(rows - count) + 1));
    soft.loss(first, count, options.regularization, beta_at(options, i));
    soft.descend(options.learning_rate);
  }

  std::vector<float> learnt(rounded.size());
  std::vector<double> nearest_loss(static_cast<std::size_t>(task.reconstruction.outputs));
  std::vector<double> loss(nearest_loss.size());
  soft.round(learnt);
  reconstruction.losses(rounded, nearest_loss);
  reconstruction.losses(learnt, loss);
  const std::size_t depth = rounded.size() / loss.size();
  LayerRounding result;
  for (std::size_t c = 0; c < loss.size(); ++c) {
    result.nearest_loss += nearest_loss[c];
    result.loss += std::min(loss[c], nearest_loss[c]);
    if (loss[c] >= nearest_loss[c]) continue;
    for (std::size_t i = c * depth; i < (c + 1) * depth; ++i) {
      result.moved += learnt[i] != rounded[i];
      rounded[i] = learnt[i];
    }
  }
  return result;
}

LayerRounding fit_layer(const LayerSamples& samples, const LayerQuantization& q,
                        const std::vector<float>& weights, int batch, const AdaRoundOptions& options,
                        std::uint64_t seed, std::vector<float>& rounded) {
  const auto depth = static_cast<std::size_t>(samples.depth());
  std::vector<float> scales = q.weight_scales;
  scales.resize(weights.size() / depth, scales.back());  // one for all, or one for each
  std::vector<LayerRounding> parts(samples.blocks().size());
  base::parallel_for(static_cast<int>(parts.size()), [&](int b) {
    const LayerSamples::Block& block = samples.blocks()[static_cast<std::size_t>(b)];
    const std::size_t first = static_cast<std::size_t>(block.first) * depth;
    const RoundingTask task{block.task, weights.data() + first, scales.data() + block.first,
                            quant::integer_range(q.weight_format.code(), true)};
    parts[static_cast<std::size_t>(b)] =
        fit_block(task, batch, options, seed,
                  std::span(rounded).subspan(first, static_cast<std::size_t>(block.task.outputs) * depth));
  });
  LayerRounding total;
  for (const LayerRounding& part : parts) {
    total.nearest_loss += part.nearest_loss;
    total.loss += part.loss;
    total.moved += part.moved / static_cast<double>(rounded.size());
  }
  return total;
}

}  // namespace

std::vector<LayerRounding> adaround(Network& quantized, const Network& reference, const Tensor& images,
                                    const SampleOptions& sample, const AdaRoundOptions& options,
                                    std::uint64_t seed, const base::Progress& progress) {
  const auto& layers = reference.info().layers;
  std::vector<LayerRounding> results(layers.size());
  walk_layers(quantized, reference, images, [&](int layer, const NodeWalk& got, const NodeWalk& wanted) {
    const auto l = static_cast<std::size_t>(layer);
    const LayerQuantization& q = quantized.quantization(layer);
    if (q.weight_format.is_integer()) {
      base::require(!q.weight_scales.empty(), "adaround: weights without fixed scales");
      const std::string weight = layers[l].name + ".weight";
      const LayerSamples samples(quantized, layer, got, wanted, sample,
                                 base::derive_seed(seed, "positions", l));
      results[l] = fit_layer(samples, q, reference.find_parameter(weight)->value, sample.batch, options,
                             base::derive_seed(seed, "adaround", l), quantized.find_parameter(weight)->value);
    }
    progress("layer", layer + 1.0, static_cast<double>(layers.size()), layers[l].name);
  });
  return results;
}

}  // namespace bitsmith::trainer::ptq
