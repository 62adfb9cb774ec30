#pragma once

#include "quant/network_info.hpp"
#include "quant/row_pad.hpp"

namespace bitsmith::trainer::test {

/// Every operation that only imported networks have: gates, branches that are joined, shuffled channels,
/// functions.
inline quant::NetworkInfo varied_network(quant::Shape input, int classes) {
  using quant::Function;
  using quant::Window;
  quant::NetworkBuilder net("varied", input);
  int x = net.scale("scale", net.input());
  x = net.batch_norm("bn1", net.conv("conv1", net.pad("pad", x, 1, 1, 0, 1, 0.1f), 8, Window::square(3)));
  x = net.function("silu", x, Function::silu);
  const int left = net.slice("left", x, 0, 3), right = net.slice("right", x, 3, 5);
  const int branch = net.function("swish", net.conv("conv2", right, 6, Window::square(3, 1, 1), 1, true),
                                  Function::hard_swish);
  x = net.shuffle("shuffle", net.concat("concat", left, branch), 3);
  int gate = net.conv("squeeze", net.global_average_pool("mean", x), 4, Window::square(1), 1, true);
  gate = net.conv("excite", net.relu("squeezed", gate), 9, Window::square(1), 1, true);
  x = net.multiply("gated", x, net.function("gate", gate, Function::hard_sigmoid, 0.2f, 0.5f));
  x = net.average_pool("pool", net.prelu("prelu", x), Window::square(3, 2, 1), true);
  x = net.multiply("product", x, net.function("share", x, Function::sigmoid));
  x = net.function("clip", net.conv("conv3", net.resize("resize", x, 2, 1), 6, Window::square(1), 1, true),
                   Function::clip, -0.5f, 2.0f);
  x = net.concat("both", net.function("leaky", x, Function::leaky_relu, 0.1f),
                 net.function("erf", x, Function::erf));
  x = net.copy(quant::row_pad("row", x, net.node(x), 2, 1));
  net.linear("fc", net.flatten("flatten", net.global_average_pool("means", x)), classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer::test
