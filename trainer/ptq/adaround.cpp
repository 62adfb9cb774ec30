#include "trainer/ptq/adaround.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/fake_quantize.hpp"
#include "trainer/ptq/node_walk.hpp"
#include "trainer/ptq/output_samples.hpp"
#include "trainer/ptq/soft_rounding.hpp"

namespace bitsmith::trainer::ptq {
namespace {

constexpr int kBlockOutputs = 16;  // of a layer without groups that are fitted together, on one thread

/// The activation that alone reads a layer's output.
Activation activation_after(const quant::NetworkInfo& info, int node) {
  const auto readers = info.consumers()[static_cast<std::size_t>(node)];
  if (readers.size() != 1) return {};
  const quant::Op op = info.nodes[static_cast<std::size_t>(readers[0])].op;
  return op == quant::Op::relu    ? Activation::relu()
         : op == quant::Op::relu6 ? Activation::relu6()
                                  : Activation{};
}

/// The exponent of the regularizer; 0 during the warm-up.
double beta_at(const AdaRoundOptions& options, int iteration) {
  const double done = static_cast<double>(iteration) / options.iterations;
  if (done < options.warmup) return 0;
  const double rest = (done - options.warmup) / (1 - options.warmup);
  return options.beta_end +
         0.5 * (options.beta_start - options.beta_end) * (1 + std::cos(std::numbers::pi * rest));
}

/// One layer with everything that its rounding depends on.
struct LayerFit {
  const quant::LayerInfo& layer;
  const LayerQuantization& quantization;
  const std::vector<float>&weights, &bias;  ///< fp32
  std::vector<float> scales;                ///< per output channel
  Activation activation;
  const Tensor &input, &target;
  std::vector<OutputPosition> positions;
  const AdaRoundOptions& options;
  std::uint64_t seed;  ///< of the stretches

  int rows() const { return static_cast<int>(positions.size()); }
  int depth() const {
    return static_cast<int>(weights.size() / static_cast<std::size_t>(layer.output.channels));
  }
};

std::vector<float> quantized_inputs(const LayerFit& fit, int group) {
  std::vector<float> rows(static_cast<std::size_t>(fit.rows()) * static_cast<std::size_t>(fit.depth()));
  gather_inputs(fit.layer, fit.input, fit.positions, group, rows.data());
  const LayerQuantization& q = fit.quantization;
  if (q.quantizes_activations()) {
    const auto range = quant::integer_range(q.activation_bits, q.activation_signed);
    quant::fake_quantize(rows.data(), static_cast<std::int64_t>(rows.size()), q.activation_scale, range.low,
                         range.high, rows.data());
  }
  return rows;
}

/// Fits output channels first .. first + count - 1, which read `inputs`; `rounded` holds their weights,
/// rounded to nearest, and gets better ones.
LayerRounding fit_outputs(const LayerFit& fit, const std::vector<float>& inputs, int first, int count,
                          std::span<float> rounded) {
  const auto depth = static_cast<std::size_t>(fit.depth());
  std::vector<float> targets(static_cast<std::size_t>(count) * static_cast<std::size_t>(fit.rows()));
  gather_outputs(fit.target, fit.positions, first, count, targets.data());
  RoundingTask task;
  task.rows = fit.rows();
  task.depth = fit.depth();
  task.outputs = count;
  task.inputs = inputs.data();
  task.targets = targets.data();
  task.weights = fit.weights.data() + static_cast<std::size_t>(first) * depth;
  task.scales = fit.scales.data() + first;
  task.bias = fit.bias.data() + first;
  task.range = quant::integer_range(fit.quantization.weight_format.code(), true);
  task.activation = fit.activation;
  const int batch = std::min(fit.options.batch, fit.rows());
  SoftRounding soft(task, batch);

  base::Rng rng(fit.seed);  // the same stretches for every block of channels
  for (int i = 0; i < fit.options.iterations; ++i) {
    const auto from = static_cast<int>(rng.below(static_cast<std::uint64_t>(fit.rows() - batch) + 1));
    soft.loss(from, batch, fit.options.regularization, beta_at(fit.options, i));
    soft.descend(fit.options.learning_rate);
  }

  std::vector<float> learnt(rounded.size());
  soft.round(learnt);
  std::vector<double> nearest_loss(static_cast<std::size_t>(count)), loss(nearest_loss.size());
  soft.losses(rounded, nearest_loss);
  soft.losses(learnt, loss);
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

LayerRounding fit_layer(const LayerFit& fit, std::vector<float>& rounded) {
  const int groups = fit.layer.groups, outputs = fit.layer.output.channels / groups;
  const int blocks = groups > 1 ? groups : (outputs + kBlockOutputs - 1) / kBlockOutputs;
  const int each = groups > 1 ? outputs : kBlockOutputs;
  const std::vector<float> shared = groups > 1 ? std::vector<float>() : quantized_inputs(fit, 0);
  std::vector<LayerRounding> parts(static_cast<std::size_t>(blocks));
  base::parallel_for(blocks, [&](int block) {
    const int first = block * each, count = std::min(each, fit.layer.output.channels - first);
    const auto depth = static_cast<std::size_t>(fit.depth());
    const std::span<float> own(rounded.data() + static_cast<std::size_t>(first) * depth,
                               static_cast<std::size_t>(count) * depth);
    parts[static_cast<std::size_t>(block)] =
        groups > 1 ? fit_outputs(fit, quantized_inputs(fit, block), first, count, own)
                   : fit_outputs(fit, shared, first, count, own);
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
                                    const AdaRoundOptions& options, std::uint64_t seed,
                                    const base::Progress& progress) {
  const quant::NetworkInfo& info = reference.info();
  NodeWalk wanted(reference, images), got(quantized, images);
  std::vector<LayerRounding> results;
  for (int node = 1; node < static_cast<int>(info.nodes.size()); ++node) {
    wanted.run(node);
    const std::size_t l = results.size();
    if (l < info.layers.size() && info.layers[l].node == node) {
      const quant::LayerInfo& layer = info.layers[l];
      const LayerQuantization& q = quantized.quantization(static_cast<int>(l));
      results.emplace_back();
      if (q.weight_format.is_integer()) {
        base::require(!q.weight_scales.empty(), "adaround: weights without fixed scales");
        const int input = info.nodes[static_cast<std::size_t>(node)].inputs[0];
        std::vector<float> scales = q.weight_scales;
        scales.resize(static_cast<std::size_t>(layer.output.channels), scales.back());
        const LayerFit fit{layer,
                           q,
                           reference.find_parameter(layer.name + ".weight")->value,
                           reference.find_parameter(layer.name + ".bias")->value,
                           std::move(scales),
                           activation_after(info, node),
                           got.value(input),
                           wanted.value(node),
                           sample_positions(layer.output, images.batch(), options.positions,
                                            base::derive_seed(seed, "adaround positions", l)),
                           options,
                           base::derive_seed(seed, "adaround stretches", l)};
        results.back() = fit_layer(fit, quantized.find_parameter(layer.name + ".weight")->value);
      }
      progress("layer", static_cast<double>(l + 1), static_cast<double>(info.layers.size()), layer.name);
    }
    got.run(node);
    wanted.release(node);
    got.release(node);
  }
  return results;
}

}  // namespace bitsmith::trainer::ptq
