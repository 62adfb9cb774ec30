#include <fmt/format.h>

#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

/// The VGG-Small of the literature on few bits (e.g. Zhang et al. 2018, LQ-Nets): 2x128, 2x256 and 2x512
/// channels, max pooling after each pair, one linear layer. For inputs of tens of pixels: the linear layer
/// reads 512 channels of an eighth of the height and width.
quant::NetworkInfo build_vgg_small(const NetworkArguments& arguments) {
  quant::NetworkBuilder net("vgg_small", arguments.input);
  int x = net.input(), index = 0;
  for (int channels : {128, 256, 512}) {
    for (int repeat = 0; repeat < 2; ++repeat)
      x = conv_bn(net, fmt::format("conv{}", ++index), x, scaled_channels(channels, arguments.width), 3, 1, 1,
                  After::relu);
    x = net.max_pool(fmt::format("pool{}", index / 2), x, quant::Window::square(2, 2));
  }
  net.linear("fc", net.flatten("flatten", x), arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
