#include <fmt/format.h>

#include <string>
#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {
namespace {

int basic_block(quant::NetworkBuilder& net, const std::string& prefix, int from, int channels, int stride) {
  int body = conv_bn(net, prefix + ".conv1", from, channels, 3, stride, 1, After::relu);
  body = conv_bn(net, prefix + ".conv2", body, channels, 3, 1, 1, After::nothing);
  int shortcut = from;
  if (stride != 1 || net.shape(from).channels != channels)
    shortcut = conv_bn(net, prefix + ".downsample.conv", from, channels, 1, stride, 1, After::nothing);
  return net.relu(prefix + ".relu2", net.add(prefix + ".add", body, shortcut));
}

/// The CIFAR-style residual network of He et al. 2016 (section 4.2): three stages of 16, 32, 64 channels;
/// projection shortcuts where the shape changes.
quant::NetworkInfo residual(const char* name, const NetworkArguments& arguments, int blocks) {
  quant::NetworkBuilder net(name, arguments.input);
  int x = conv_bn(net, "conv1", net.input(), 16, 3, 1, 1, After::relu);
  for (int stage = 0; stage < 3; ++stage)
    for (int block = 0; block < blocks; ++block)
      x = basic_block(net, fmt::format("layer{}.{}", stage + 1, block), x, 16 << stage,
                      stage > 0 && block == 0 ? 2 : 1);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

}  // namespace

quant::NetworkInfo build_resnet8(const NetworkArguments& arguments) {
  return residual("resnet8", arguments, 1);
}
quant::NetworkInfo build_resnet20(const NetworkArguments& arguments) {
  return residual("resnet20", arguments, 3);
}
quant::NetworkInfo build_resnet32(const NetworkArguments& arguments) {
  return residual("resnet32", arguments, 5);
}
quant::NetworkInfo build_resnet56(const NetworkArguments& arguments) {
  return residual("resnet56", arguments, 9);
}

}  // namespace bitsmith::trainer
