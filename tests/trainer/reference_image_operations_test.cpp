#include <algorithm>
#include <cmath>

#include "tests/trainer/reference_network.hpp"

#include "quant/row_pad.hpp"

namespace bitsmith::trainer::test {
namespace {

using quant::Function;
using quant::Node;
using quant::Op;
using quant::Shape;

double function(const Node& node, double x) {
  const auto alpha = static_cast<double>(node.alpha), beta = static_cast<double>(node.beta);
  switch (node.function) {
    case Function::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Function::hard_sigmoid:
      return std::min(1.0, std::max(0.0, alpha * x + beta));
    case Function::hard_swish:
      return x * std::min(1.0, std::max(0.0, (x + 3) / 6));
    case Function::silu:
      return x / (1 + std::exp(-x));
    case Function::leaky_relu:
      return x > 0 ? x : alpha * x;
    case Function::clip:
      return std::min(beta, std::max(alpha, x));
    case Function::erf:
      return std::erf(x);
  }
  return 0;
}

/// One output value.
struct Place {
  int n, h, w, c;
};

double read(const Shape& shape, const Values& x, const Place& p) {
  return x[static_cast<std::size_t>(
      ((std::int64_t{p.n} * shape.height + p.h) * shape.width + p.w) * shape.channels + p.c)];
}

double moved(const Node& node, const Shape& input, const Values& x, Place p) {
  const Shape in = node.op == Op::pad ? quant::padded_input(node, input) : input;
  if (node.op == Op::slice) p.c += node.begin;
  // The inverse of: channel a * (C / groups) + b goes to b * groups + a.
  if (node.op == Op::shuffle) p.c = (p.c % node.groups) * (in.channels / node.groups) + p.c / node.groups;
  if (node.op == Op::resize) {
    p.h /= node.window.stride_h;
    p.w /= node.window.stride_w;
  }
  p.h -= node.window.pad_top;
  p.w -= node.window.pad_left;
  const bool inside = p.h >= 0 && p.h < in.height && p.w >= 0 && p.w < in.width;
  return inside ? read(in, x, p) : static_cast<double>(node.factor);
}

}  // namespace

Values reference_image_node(const quant::NetworkInfo& info, const Node& node, int batch,
                            const std::vector<const Values*>& inputs, const Numbers& numbers) {
  const Shape& in = info.nodes[static_cast<std::size_t>(node.inputs[0])].output;
  const Shape& second = info.nodes[static_cast<std::size_t>(node.inputs.back())].output;
  const Values& x = *inputs[0];
  Values y;
  for (int n = 0; n < batch; ++n)
    for (int h = 0; h < node.output.height; ++h)
      for (int w = 0; w < node.output.width; ++w)
        for (int c = 0; c < node.output.channels; ++c) {
          const auto channel = static_cast<std::size_t>(c);
          const Place p{n, h, w, c};
          switch (node.op) {
            case Op::function:
              y.push_back(function(node, read(in, x, p)));
              break;
            case Op::prelu:
              y.push_back(std::max(0.0, read(in, x, p)) +
                          numbers.at(node.name + ".weight")[channel] * std::min(0.0, read(in, x, p)));
              break;
            case Op::scale:
              y.push_back(numbers.at(node.name + ".weight")[channel] * read(in, x, p) +
                          numbers.at(node.name + ".bias")[channel]);
              break;
            case Op::multiply:
              y.push_back(read(in, x, p) *
                          read(second, *inputs[1], second == in ? p : Place{.n = n, .h = 0, .w = 0, .c = c}));
              break;
            case Op::concat:
              y.push_back(c < in.channels
                              ? read(in, x, p)
                              : read(second, *inputs[1], {.n = n, .h = h, .w = w, .c = c - in.channels}));
              break;
            default:
              y.push_back(moved(node, in, x, p));
          }
        }
  return y;
}

}  // namespace bitsmith::trainer::test
