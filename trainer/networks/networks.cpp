#include "trainer/networks/networks.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/integer_joins.hpp"

namespace bitsmith::trainer {
namespace {

constexpr NetworkRow kNetworks[] = {
    {"cnn_small", "five 3x3 convolutions (32 to 128 channels) and a linear layer; 11 MMAC at 28x28", 4,
     build_cnn_small},
    {"resnet8", "CIFAR-style residual network, one block a stage (16, 32, 64 channels)", 4, build_resnet8},
    {"resnet20", "CIFAR-style residual network, three blocks a stage (16, 32, 64 channels); 40 MMAC at 32x32",
     4, build_resnet20},
    {"mobilenet_v2_small", "inverted residuals with depthwise convolutions, 35 layers; 6 MMAC at 32x32", 8,
     build_mobilenet_v2_small},
};

}  // namespace

std::span<const NetworkRow> network_rows() { return kNetworks; }

quant::NetworkInfo build_network(std::string_view name, quant::Shape input, int classes, Joins joins) {
  std::vector<std::string> names;
  for (const NetworkRow& row : kNetworks) {
    names.emplace_back(row.name);
    if (row.name != name) continue;
    if (input.height < row.min_size || input.width < row.min_size)
      throw base::UserError(fmt::format("network '{}': input of {}x{} pixels is too small; at least {}x{}",
                                        name, input.height, input.width, row.min_size, row.min_size));
    if (classes < 2)
      throw base::UserError(fmt::format("network '{}': needs at least 2 classes, got {}", name, classes));
    quant::NetworkInfo network = row.build(input, classes);
    return joins == Joins::int8 ? quant::with_integer_joins(network) : network;
  }
  throw base::UserError(fmt::format("unknown network '{}'{}", name, base::did_you_mean(name, names)));
}

}  // namespace bitsmith::trainer
