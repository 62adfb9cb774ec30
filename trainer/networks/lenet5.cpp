#include <utility>

#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

/// LeCun et al. 1998, as it is used today: ReLU, max pooling, every channel reads all others. Below 32 pixels
/// the first convolution pads by 2, as MNIST's 28x28 were to 32x32.
quant::NetworkInfo build_lenet5(const NetworkArguments& arguments) {
  const int rows = arguments.input.height < 32 ? 2 : 0, columns = arguments.input.width < 32 ? 2 : 0;
  quant::NetworkBuilder net("lenet5", arguments.input);
  int x =
      net.conv("conv1", net.input(), 6, {5, 5, 1, 1, 1, 1, rows, columns, rows, columns}, 1, /*bias=*/true);
  x = net.max_pool("pool1", net.relu("relu1", x), quant::Window::square(2, 2));
  x = net.conv("conv2", x, 16, quant::Window::square(5), 1, /*bias=*/true);
  x = net.max_pool("pool2", net.relu("relu2", x), quant::Window::square(2, 2));
  x = net.relu("relu3", net.linear("fc1", net.flatten("flatten", x), 120));
  x = net.relu("relu4", net.linear("fc2", x, 84));
  net.linear("fc3", x, arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
