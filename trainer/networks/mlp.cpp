#include <utility>

#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

/// LeCun et al. 1998, "300 + 100 hidden units", with ReLU.
quant::NetworkInfo build_mlp(const NetworkArguments& arguments) {
  quant::NetworkBuilder net("mlp", arguments.input);
  int x = net.relu("relu1", net.linear("fc1", net.flatten("flatten", net.input()), 300));
  x = net.relu("relu2", net.linear("fc2", x, 100));
  net.linear("fc3", x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
