#include <fmt/format.h>

#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

/// Howard et al. 2017, table 1. Small inputs: the first convolution keeps the size, so that 32x32 ends as
/// 2x2.
quant::NetworkInfo build_mobilenet_v1(const NetworkArguments& arguments) {
  struct Block {
    int channels, stride;
  };
  constexpr Block kBlocks[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                               {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
  quant::NetworkBuilder net("mobilenet_v1", arguments.input);
  int x = conv_bn(net, "conv1", net.input(), scaled_channels(32, arguments.width), 3,
                  is_large(arguments.input) ? 2 : 1, 1, After::relu);
  int index = 0;
  for (const Block& block : kBlocks)
    x = separable_conv(net, fmt::format("block{}", index++), x,
                       scaled_channels(block.channels, arguments.width), block.stride);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
