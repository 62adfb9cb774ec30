#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {
namespace {

/// What TensorFlow's "same" padding adds at both ends; an odd pixel goes to the end.
struct Pad {
  int start, end;
};
Pad same_padding(int size, int kernel, int stride) {
  const int outputs = (size + stride - 1) / stride;
  const int total = std::max(0, (outputs - 1) * stride + kernel - size);
  return {total / 2, total - total / 2};
}

}  // namespace

/// Zhang et al. 2017, "Hello Edge", the small DS-CNN: a 10x4 convolution with strides of 2 (time is the
/// height, of 49 frames with 10 coefficients each), four separable blocks, average pooling.
quant::NetworkInfo build_ds_cnn(const NetworkArguments& arguments) {
  const int channels = scaled_channels(64, arguments.width);
  const Pad rows = same_padding(arguments.input.height, 10, 2);
  const Pad columns = same_padding(arguments.input.width, 4, 2);
  quant::NetworkBuilder net("ds_cnn", arguments.input);
  int x = conv_bn(net, "conv1", net.input(), channels,
                  {10, 4, 2, 2, 1, 1, rows.start, columns.start, rows.end, columns.end}, 1, After::relu);
  for (int block = 0; block < 4; ++block)
    x = separable_conv(net, fmt::format("block{}", block), x, channels, 1);
  classifier(net, x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
