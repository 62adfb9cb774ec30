#include <fmt/format.h>

#include <string>
#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {
namespace {

/// Sandler et al. 2018: expand 1x1, depthwise 3x3, project 1x1 without activation; added to the input where
/// shapes allow. The expansion is left out at factor 1.
int inverted_residual(quant::NetworkBuilder& net, const std::string& prefix, int from, int channels,
                      int stride, int expansion) {
  const int in_channels = net.shape(from).channels;
  const int hidden = in_channels * expansion;
  int x = from;
  if (expansion != 1) x = conv_bn(net, prefix + ".expand.conv", x, hidden, 1, 1, 1, true);
  x = conv_bn(net, prefix + ".depthwise.conv", x, hidden, 3, stride, hidden, true);
  x = conv_bn(net, prefix + ".project.conv", x, channels, 1, 1, 1, false);
  return stride == 1 && in_channels == channels ? net.add(prefix + ".add", from, x) : x;
}

struct Stage {
  int expansion, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {4, 16, 2, 2}, {4, 24, 3, 2}, {4, 48, 3, 2}, {4, 64, 2, 1}};

}  // namespace

quant::NetworkInfo build_mobilenet_v2_small(quant::Shape input, int classes) {
  quant::NetworkBuilder net("mobilenet_v2_small", input);
  int x = conv_bn(net, "conv1", net.input(), 16, 3, 1, 1, true);
  int index = 0;
  for (const Stage& stage : kStages)
    for (int block = 0; block < stage.blocks; ++block)
      x = inverted_residual(net, fmt::format("block{}", index++), x, stage.channels,
                            block == 0 ? stage.stride : 1, stage.expansion);
  x = conv_bn(net, "conv2", x, 192, 1, 1, 1, true);
  classifier(net, x, classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
