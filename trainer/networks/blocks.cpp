#include "trainer/networks/blocks.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            int kernel, int stride, int groups, bool relu) {
  const auto at = convolution.rfind("conv");
  base::require(at != std::string::npos, "conv_bn: the convolution's name contains 'conv'");
  const auto renamed = [&](const char* word) { return std::string(convolution).replace(at, 4, word); };
  int node =
      net.conv(convolution, from, out_channels, quant::Window::square(kernel, stride, kernel / 2), groups);
  node = net.batch_norm(renamed("bn"), node);
  return relu ? net.relu(renamed("relu"), node) : node;
}

void classifier(quant::NetworkBuilder& net, int from, int classes) {
  const int pooled = net.global_average_pool("pool", from);
  net.linear("fc", net.flatten("flatten", pooled), classes);
}

}  // namespace bitsmith::trainer
