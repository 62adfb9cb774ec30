#include "quant/row_pad.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::quant {

Node row_pad(const std::string& name, int from, const Node& input, int before, int after, float value) {
  if (!std::isfinite(value))
    throw base::UserError(fmt::format("{}: pads with a value that is not finite", name));
  constexpr int kMost = NetworkBuilder::kLargestWindow;
  if (before < 0 || after < 0 || before > kMost || after > kMost)
    throw base::UserError(fmt::format("{}: padding is 0 to {}, got {} and {}", name, kMost, before, after));
  const std::int64_t width = input.output.pixels() + before + after;
  if (width > NetworkBuilder::kMostElements / input.output.channels)
    throw base::UserError(fmt::format("{}: more than {} values in its output", name,
                                      std::int64_t{NetworkBuilder::kMostElements}));
  Node node;
  node.name = name;
  node.op = Op::pad;
  node.inputs = {from};
  node.window.pad_left = before;
  node.window.pad_right = after;
  node.factor = value;
  node.output = {input.output.channels, 1, static_cast<int>(width)};
  node.output_signed = input.output_signed || value < 0;
  return node;
}

Shape padded_input(const Node& pad, const Shape& input) {
  // Any other pad has at least the rows of its input.
  if (pad.output.height >= input.height) return input;
  return {input.channels, 1, static_cast<int>(input.pixels())};
}

}  // namespace bitsmith::quant
