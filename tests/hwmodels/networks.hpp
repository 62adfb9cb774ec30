#pragma once

#include "quant/network_info.hpp"
#include "quant/policy.hpp"

namespace bitsmith::hwmodels_tests {

/// Two convolutions with batch norm, a residual addition, a depthwise one, pooling and a linear layer: every
/// kind of layer and step, small enough to be priced by hand.
inline quant::NetworkInfo tiny_network() {
  using quant::Window;
  quant::NetworkBuilder net("tiny", {3, 8, 8});
  int x = net.relu("relu1", net.batch_norm("bn1", net.conv("conv1", 0, 8, Window::square(3, 1, 1))));
  const int y = net.batch_norm("bn2", net.conv("conv2", x, 8, Window::square(3, 1, 1)));
  x = net.relu("relu2", net.add("add", y, x));
  x = net.relu6("relu3", net.batch_norm("bn3", net.conv("dw", x, 8, Window::square(3, 2, 1), 8)));
  x = net.max_pool("pool", x, Window::square(2, 2));
  x = net.flatten("flatten", net.global_average_pool("gap", x));
  net.linear("fc", x, 10);
  return std::move(net).build();
}

inline quant::Policy all_layers(const quant::NetworkInfo& network, quant::LayerBits bits) {
  return {std::vector<quant::LayerBits>(network.layers.size(), bits)};
}

}  // namespace bitsmith::hwmodels_tests
