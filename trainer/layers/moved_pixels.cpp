#include "trainer/layers/moved_pixels.hpp"

#include <algorithm>

#include "quant/row_pad.hpp"

namespace bitsmith::trainer {
namespace {

using quant::Node;
using quant::Op;

int input_pixel(const Node& node, const quant::Shape& input, int y, int x) {
  const quant::Window& w = node.window;
  if (node.op == Op::resize) return y / w.stride_h * input.width + x / w.stride_w;
  const int row = y - w.pad_top, column = x - w.pad_left;
  const bool inside = row >= 0 && row < input.height && column >= 0 && column < input.width;
  return inside ? row * input.width + column : -1;
}

int input_channel(const Node& node, int c) {
  if (node.op != Op::shuffle) return node.begin + c;
  return quant::shuffled_from(c, node.output.channels, node.groups);
}

}  // namespace

MovedPixels::MovedPixels(const LayerArguments& arguments)
    : value_(arguments.node.op == Op::pad ? arguments.node.factor : 0.0f),
      input_(arguments.node.op == Op::pad ? quant::padded_input(arguments.node, arguments.input())
                                          : arguments.input()),
      output_(arguments.node.output),
      run_of_channels_(arguments.node.op != Op::shuffle) {
  for (int y = 0; y < output_.height; ++y)
    for (int x = 0; x < output_.width; ++x) pixel_.push_back(input_pixel(arguments.node, input_, y, x));
  for (int c = 0; c < output_.channels; ++c) channel_.push_back(input_channel(arguments.node, c));
}

void MovedPixels::forward(const ForwardPart& part) {
  float* y = part.y;
  for (int n = 0; n < part.samples; ++n) {
    const float* image = part.x[0] + n * input_.elements();
    for (const int pixel : pixel_) {
      const float* x = image + std::int64_t{pixel} * input_.channels;
      if (pixel < 0)
        std::fill_n(y, output_.channels, value_);
      else if (run_of_channels_)
        std::copy_n(x + channel_[0], output_.channels, y);
      else
        for (int c = 0; c < output_.channels; ++c) y[c] = x[channel_[static_cast<std::size_t>(c)]];
      y += output_.channels;
    }
  }
}

void MovedPixels::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  std::fill_n(part.dx[0], part.samples * input_.elements(), 0.0f);
  const float* dy = part.dy;
  for (int n = 0; n < part.samples; ++n) {
    float* image = part.dx[0] + n * input_.elements();
    for (const int pixel : pixel_) {
      float* dx = image + std::int64_t{pixel} * input_.channels;
      for (int c = 0; pixel >= 0 && c < output_.channels; ++c)
        dx[channel_[static_cast<std::size_t>(c)]] += dy[c];
      dy += output_.channels;
    }
  }
}

}  // namespace bitsmith::trainer
