#include "trainer/ptq/layer_samples.hpp"

#include <algorithm>

#include "quant/base/parallel.hpp"
#include "quant/fake_quantize.hpp"
#include "trainer/ptq/output_samples.hpp"

namespace bitsmith::trainer::ptq {
namespace {

constexpr int kBlockOutputs = 16;  // of a layer without groups

/// The activation that alone reads a layer's output.
Activation activation_after(const quant::NetworkInfo& info, int node) {
  const auto readers = info.consumers()[static_cast<std::size_t>(node)];
  if (readers.size() != 1) return {};
  const quant::Op op = info.nodes[static_cast<std::size_t>(readers[0])].op;
  if (op == quant::Op::relu) return Activation::relu();
  return op == quant::Op::relu6 ? Activation::relu6() : Activation{};
}

/// The scale of the input of each position's image.
std::vector<float> input_scales(const LayerQuantization& q, quant::IntegerRange range, const Tensor& input,
                                const std::vector<OutputPosition>& positions) {
  if (!q.activation_dynamic) return std::vector<float>(positions.size(), q.activation_scale);
  std::vector<float> of_image;
  for (int n = 0; n < input.batch(); ++n)
    of_image.push_back(quant::dynamic_scale(input.sample(n), input.shape().elements(), range));
  std::vector<float> scales;
  for (const OutputPosition& position : positions)
    scales.push_back(of_image[static_cast<std::size_t>(position.image)]);
  return scales;
}

}  // namespace

LayerSamples::LayerSamples(const Network& network, int index, const NodeWalk& quantized,
                           const NodeWalk& reference, const SampleOptions& options, std::uint64_t seed) {
  const quant::NetworkInfo& info = network.info();
  const quant::LayerInfo& layer = info.layers[static_cast<std::size_t>(index)];
  const Tensor& input = quantized.value(info.nodes[static_cast<std::size_t>(layer.node)].inputs[0]);
  const Tensor& target = reference.value(layer.node);
  const LayerQuantization& q = network.quantization(index);
  const auto positions = sample_positions(layer.output, input.batch(), options.positions, seed);
  const Activation activation = activation_after(info, layer.node);
  bias_ = network.find_parameter(layer.name + ".bias")->value;
  rows_ = static_cast<int>(positions.size());
  depth_ = static_cast<int>(layer.weights() / layer.output.channels);

  quant::IntegerRange range;
  std::vector<float> scales;
  if (q.quantizes_activations()) {
    range = quant::integer_range(q.activation_bits, q.activation_signed);
    scales = input_scales(q, range, input, positions);
  }
  inputs_.resize(static_cast<std::size_t>(layer.groups));
  base::parallel_for(layer.groups, [&](int group) {
    auto& rows = inputs_[static_cast<std::size_t>(group)];
    rows.resize(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(depth_));
    gather_inputs(layer, input, positions, group, rows.data());
    float* row = rows.data();
    for (float scale : scales) {
      quant::fake_quantize(row, depth_, scale, range.low, range.high, row);
      row += depth_;
    }
  });

  const int of_group = layer.output.channels / layer.groups;
  const int each = layer.groups > 1 ? of_group : kBlockOutputs;
  for (int first = 0; first < layer.output.channels; first += each) {
    Block block;
    block.first = first;
    block.task.rows = rows_;
    block.task.depth = depth_;
    block.task.outputs = std::min(each, layer.output.channels - first);
    block.task.inputs = inputs_[static_cast<std::size_t>(first / of_group)].data();
    block.task.bias = bias_.data() + first;
    block.task.activation = activation;
    blocks_.push_back(block);
  }
  targets_.resize(blocks_.size());
  base::parallel_for(static_cast<int>(blocks_.size()), [&](int b) {
    auto& values = targets_[static_cast<std::size_t>(b)];
    Block& block = blocks_[static_cast<std::size_t>(b)];
    values.resize(static_cast<std::size_t>(block.task.outputs) * static_cast<std::size_t>(rows_));
    gather_outputs(target, positions, block.first, block.task.outputs, values.data());
    for (float& value : values) value = std::clamp(value, activation.low, activation.high);
    block.task.targets = values.data();
  });
}

}  // namespace bitsmith::trainer::ptq
