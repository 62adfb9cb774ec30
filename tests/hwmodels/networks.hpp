#pragma once

#include <utility>

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

/// Three layers read one tensor, and so does an addition; pooling lies between two layers; a batch norm and a
/// ReLU follow no layer: what decides where integers can stay integers.
inline quant::NetworkInfo branching_network() {
  using quant::Window;
  quant::NetworkBuilder net("branching", {2, 6, 6});
  const int stem = net.relu("relu0", net.batch_norm("bn0", net.conv("stem", 0, 8, Window::square(3, 1, 1))));
  const int left = net.conv("left", stem, 8, Window::square(1));
  const int middle = net.relu("relu1", net.conv("middle", stem, 8, Window::square(3, 1, 1), 2, true));
  const int right = net.conv(
      "right", net.max_pool("pool0", net.conv("deep", stem, 8, Window::square(1)), Window::square(3, 1, 1)),
      8, Window::square(1));
  const int sum = net.add("add1", net.add("add0", left, middle), net.add("add2", right, stem));
  const int normal = net.relu("relu2", net.batch_norm("bn1", sum));
  const int pooled = net.average_pool("pool1", normal, Window::square(2, 2));
  net.linear("fc2", net.relu6("relu3", net.linear("fc1", net.flatten("flatten", pooled), 16)), 4, false);
  return std::move(net).build();
}

/// Attention and what goes with it, pixels that are flattened: every kind of step that the others lack.
inline quant::NetworkInfo attention_network() {
  using quant::Window;
  quant::NetworkBuilder net("attention", {3, 8, 8});
  const int x = net.position("position", net.conv("patches", 0, 8, Window::square(4, 4), 1, true));
  const int normal = net.layer_norm("norm", x);
  const auto operand = [&](const char* name, const char* integers) {
    return net.quantize(integers, net.conv(name, normal, 8, Window::square(1)));
  };
  const int query = operand("query", "query8"), key = operand("key", "key8"),
            value = operand("value", "value8");
  const int shares = net.softmax("softmax", net.matmul("scores", query, key, 2, true, 0.5f), 2);
  const int mixed = net.matmul("mix", net.quantize("softmax8", shares), value, 2, false);
  const int sum = net.add("add", x, net.conv("project", mixed, 8, Window::square(1)));
  net.linear("fc", net.flatten("flatten", net.gelu("gelu", sum)), 10);
  return std::move(net).build();
}

inline quant::Policy all_layers(const quant::NetworkInfo& network, quant::LayerFormats bits) {
  return {std::vector<quant::LayerFormats>(network.layers.size(), bits)};
}

}  // namespace bitsmith::hwmodels_tests
