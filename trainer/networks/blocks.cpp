#include "trainer/networks/blocks.hpp"

#include <algorithm>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            quant::Window window, int groups, After after) {
  const auto at = convolution.rfind("conv");
  base::require(at != std::string::npos, "conv_bn: the convolution's name contains 'conv'");
  const auto renamed = [&](const char* word) { return std::string(convolution).replace(at, 4, word); };
  int node = net.conv(convolution, from, out_channels, window, groups);
  node = net.batch_norm(renamed("bn"), node);
  if (after == After::nothing) return node;
  return after == After::relu ? net.relu(renamed("relu"), node) : net.relu6(renamed("relu"), node);
}

int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            int kernel, int stride, int groups, After after) {
  return conv_bn(net, convolution, from, out_channels, quant::Window::square(kernel, stride, kernel / 2),
                 groups, after);
}

int separable_conv(quant::NetworkBuilder& net, const std::string& prefix, int from, int out_channels,
                   int stride) {
  const int in_channels = net.shape(from).channels;
  const int x =
      conv_bn(net, prefix + ".depthwise.conv", from, in_channels, 3, stride, in_channels, After::relu);
  return conv_bn(net, prefix + ".pointwise.conv", x, out_channels, 1, 1, 1, After::relu);
}

void classifier(quant::NetworkBuilder& net, int from, int classes) {
  const int pooled = net.global_average_pool("pool", from);
  net.linear("fc", net.flatten("flatten", pooled), classes);
}

int scaled_channels(int channels, double width) {
  constexpr int kMultiple = 8;
  const double wanted = channels * width;
  const int rounded = std::max(kMultiple, static_cast<int>(wanted + kMultiple / 2.0) / kMultiple * kMultiple);
  return rounded < 0.9 * wanted ? rounded + kMultiple : rounded;
}

bool is_large(const quant::Shape& input) { return std::min(input.height, input.width) >= kLargeInput; }

}  // namespace bitsmith::trainer
