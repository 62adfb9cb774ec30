#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {
namespace {

/// Sandler et al. 2018: expand 1x1, depthwise 3x3, project 1x1 without activation; added to the input where
/// shapes allow. The expansion is left out at factor 1.
int inverted_residual(quant::NetworkBuilder& net, const std::string& prefix, int from, int channels,
                      int stride, int expansion, After activation) {
  const int in_channels = net.shape(from).channels;
  const int hidden = in_channels * expansion;
  int x = from;
  if (expansion != 1) x = conv_bn(net, prefix + ".expand.conv", x, hidden, 1, 1, 1, activation);
  x = conv_bn(net, prefix + ".depthwise.conv", x, hidden, 3, stride, hidden, activation);
  x = conv_bn(net, prefix + ".project.conv", x, channels, 1, 1, 1, After::nothing);
  return stride == 1 && in_channels == channels ? net.add(prefix + ".add", from, x) : x;
}

struct Stage {
  int expansion, channels, blocks, stride;
};

int add_stages(quant::NetworkBuilder& net, int x, std::span<const Stage> stages, double width,
               After activation) {
  int index = 0;
  for (const Stage& stage : stages)
    for (int block = 0; block < stage.blocks; ++block)
      x = inverted_residual(net, fmt::format("block{}", index++), x, scaled_channels(stage.channels, width),
                            block == 0 ? stage.stride : 1, stage.expansion, activation);
  return x;
}

}  // namespace

/// A small network of the same blocks, with ReLU.
quant::NetworkInfo build_mobilenet_v2_small(const NetworkArguments& arguments) {
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {4, 16, 2, 2}, {4, 24, 3, 2}, {4, 48, 3, 2}, {4, 64, 2, 1}};
  quant::NetworkBuilder net("mobilenet_v2_small", arguments.input);
  int x = conv_bn(net, "conv1", net.input(), 16, 3, 1, 1, After::relu);
  x = add_stages(net, x, kStages, 1, After::relu);
  x = conv_bn(net, "conv2", x, 192, 1, 1, 1, After::relu);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

/// Table 2 of the paper, with ReLU6; the last convolution is never narrower than 1280. Small inputs: the
/// first convolution and the first stage with a stride keep the size, so that 32x32 ends as 4x4.
quant::NetworkInfo build_mobilenet_v2(const NetworkArguments& arguments) {
  const int first = is_large(arguments.input) ? 2 : 1;
  const Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, first}, {6, 32, 3, 2}, {6, 64, 4, 2},
                          {6, 96, 3, 1}, {6, 160, 3, 2},    {6, 320, 1, 1}};
  quant::NetworkBuilder net("mobilenet_v2", arguments.input);
  int x = conv_bn(net, "conv1", net.input(), scaled_channels(32, arguments.width), 3, first, 1, After::relu6);
  x = add_stages(net, x, stages, arguments.width, After::relu6);
  x = conv_bn(net, "conv2", x, scaled_channels(1280, std::max(1.0, arguments.width)), 1, 1, 1, After::relu6);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
