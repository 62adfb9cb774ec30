#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

quant::NetworkInfo build_cnn_small(const NetworkArguments& arguments) {
  quant::NetworkBuilder net("cnn_small", arguments.input);
  int x = conv_bn(net, "conv1", net.input(), 32, 3, 1, 1, After::relu);
  x = conv_bn(net, "conv2", x, 32, 3, 2, 1, After::relu);
  x = conv_bn(net, "conv3", x, 64, 3, 1, 1, After::relu);
  x = conv_bn(net, "conv4", x, 64, 3, 2, 1, After::relu);
  x = conv_bn(net, "conv5", x, 128, 3, 1, 1, After::relu);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
