#include "trainer/ptq/correct_bias.hpp"

#include "trainer/layers/weight_quantizer.hpp"
#include "trainer/ptq/node_walk.hpp"

namespace bitsmith::trainer::ptq {
namespace {

/// Along one axis: for each tap, the share of output positions at which it lies on the image.
std::vector<double> tap_shares(int outputs, int stride, int pad, int dilation, int kernel, int extent) {
  std::vector<double> shares(static_cast<std::size_t>(kernel), 0.0);
  for (int tap = 0; tap < kernel; ++tap)
    for (int out = 0; out < outputs; ++out) {
      const int at = out * stride - pad + tap * dilation;
      if (at >= 0 && at < extent) shares[static_cast<std::size_t>(tap)] += 1.0 / outputs;
    }
  return shares;
}

void correct_analytically(const quant::LayerInfo& layer, const std::vector<double>& expected_input,
                          const float* quantized, const std::vector<float>& reference,
                          std::vector<float>& bias) {
  const quant::Window& w = layer.window;
  const auto rows =
      tap_shares(layer.output.height, w.stride_h, w.pad_top, w.dilation_h, w.kernel_h, layer.input.height);
  const auto columns =
      tap_shares(layer.output.width, w.stride_w, w.pad_left, w.dilation_w, w.kernel_w, layer.input.width);
  const bool linear = layer.kind == quant::LayerKind::linear;
  const auto inputs = static_cast<std::size_t>(linear ? layer.input.elements()
                                                      : std::int64_t{layer.input.channels / layer.groups});
  const auto outputs = static_cast<std::size_t>(layer.output.channels / layer.groups);
  std::size_t at = 0;
  for (std::size_t o = 0; o < bias.size(); ++o) {
    const std::size_t first = o / outputs * inputs;
    double error = 0;
    for (std::size_t i = 0; i < inputs; ++i)
      for (double row : rows)
        for (double column : columns) {
          error += row * column * (static_cast<double>(quantized[at]) - static_cast<double>(reference[at])) *
                   expected_input[first + i];
          ++at;
        }
    bias[o] = static_cast<float>(static_cast<double>(bias[o]) - error);
  }
}

/// Per channel, summed image by image in double: the same for any number of threads.
std::vector<double> mean_difference(const Tensor& a, const Tensor& b) {
  const auto channels = static_cast<std::size_t>(a.shape().channels);
  std::vector<double> sum(channels, 0.0);
  const std::int64_t pixels = a.elements() / a.shape().channels;
  for (std::int64_t p = 0; p < pixels; ++p)
    for (std::size_t c = 0; c < channels; ++c) {
      const auto at = static_cast<std::size_t>(p) * channels + c;
      sum[c] += static_cast<double>(a.data()[at]) - static_cast<double>(b.data()[at]);
    }
  for (double& value : sum) value /= static_cast<double>(pixels);
  return sum;
}

}  // namespace

std::vector<int> correct_biases_analytically(Network& quantized, const Network& reference,
                                             const std::vector<ChannelMoments>& expected) {
  const quant::NetworkInfo& info = quantized.info();
  std::vector<int> left;
  WeightQuantizer quantizer;
  for (std::size_t l = 0; l < info.layers.size(); ++l) {
    const quant::LayerInfo& layer = info.layers[l];
    if (!quantized.quantization(static_cast<int>(l)).quantizes_weights()) continue;
    const int input = info.nodes[static_cast<std::size_t>(layer.node)].inputs[0];
    const ChannelMoments& moments = expected[static_cast<std::size_t>(input)];
    if (!moments.known()) {
      left.push_back(static_cast<int>(l));
      continue;
    }
    quantizer.update(*quantized.find_parameter(layer.name + ".weight"),
                     quantized.quantization(static_cast<int>(l)));
    correct_analytically(layer, moments.mean, quantizer.values(),
                         reference.find_parameter(layer.name + ".weight")->value,
                         quantized.find_parameter(layer.name + ".bias")->value);
  }
  return left;
}

void correct_biases_empirically(Network& quantized, const Network& reference, const Tensor& images) {
  walk_layers(quantized, reference, images, [&](int l, NodeWalk& got, const NodeWalk& wanted) {
    const quant::LayerInfo& layer = reference.info().layers[static_cast<std::size_t>(l)];
    const LayerQuantization& q = quantized.quantization(l);
    if (!q.quantizes_weights() && !q.quantizes_activations()) return;
    got.run(layer.node);
    const auto error = mean_difference(got.value(layer.node), wanted.value(layer.node));
    auto& bias = quantized.find_parameter(layer.name + ".bias")->value;
    for (std::size_t c = 0; c < bias.size(); ++c)
      bias[c] = static_cast<float>(static_cast<double>(bias[c]) - error[c]);
    got.run(layer.node);
  });
}

}  // namespace bitsmith::trainer::ptq
