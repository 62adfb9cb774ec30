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
    {"cnn_small", "five 3x3 convolutions (32 to 128 channels) and a linear layer; 11 MMAC at 28x28", 4, false,
     build_cnn_small},
    {"resnet8", "CIFAR-style residual network, one block a stage (16, 32, 64 channels)", 4, false,
     build_resnet8},
    {"resnet20", "CIFAR-style residual network, three blocks a stage (16, 32, 64 channels); 40 MMAC at 32x32",
     4, false, build_resnet20},
    {"resnet32", "CIFAR-style residual network, five blocks a stage; 69 MMAC at 32x32", 4, false,
     build_resnet32},
    {"resnet56", "CIFAR-style residual network, nine blocks a stage; 125 MMAC at 32x32", 4, false,
     build_resnet56},
    {"mobilenet_v2_small", "inverted residuals with depthwise convolutions, 35 layers; 6 MMAC at 32x32", 8,
     false, build_mobilenet_v2_small},
    {"mobilenet_v1", "depthwise and pointwise convolutions in turn, 28 layers; 569 MMAC at 224x224", 8, true,
     build_mobilenet_v1},
    {"mobilenet_v2", "inverted residuals, 53 layers; 301 MMAC at 224x224", 8, true, build_mobilenet_v2},
    {"ds_cnn", "keyword spotting: depthwise separable blocks of 64 channels; 2.7 MMAC at 49x10", 4, true,
     build_ds_cnn},
    {"vgg_small", "two convolutions each of 128, 256 and 512 channels, a linear layer; 612 MMAC at 32x32", 8,
     true, build_vgg_small},
    {"lenet5", "two 5x5 convolutions and three linear layers; 0.4 MMAC at 28x28", 12, false, build_lenet5},
    {"mlp", "three linear layers, of 300, 100 and as many units as classes; 0.3 MMAC at 28x28", 1, false,
     build_mlp},
    {"vit_tiny",
     "vision transformer: four blocks of 64 channels and 4 heads, patches of 4x4; 8 MMAC at 28x28", 8, true,
     build_vit_tiny},
};

void check(const NetworkRow& row, quant::Shape input, int classes, double width) {
  if (input.height < row.min_size || input.width < row.min_size)
    throw base::UserError(fmt::format("network '{}': input of {}x{} pixels is too small; at least {}x{}",
                                      row.name, input.height, input.width, row.min_size, row.min_size));
  if (classes < 2)
    throw base::UserError(fmt::format("network '{}': needs at least 2 classes, got {}", row.name, classes));
  if (width == 1) return;
  if (!row.has_width) {
    std::vector<std::string> names;
    for (const NetworkRow& other : kNetworks)
      if (other.has_width) names.emplace_back(other.name);
    throw base::UserError(
        fmt::format("network '{}' has no width multiplier (got {}); networks that have one: {}", row.name,
                    width, base::join_names(names)));
  }
  if (!(width >= kLeastWidth && width <= kMostWidth))
    throw base::UserError(fmt::format("network '{}': got a width of {}, allowed are {} to {}", row.name,
                                      width, kLeastWidth, kMostWidth));
}

}  // namespace

std::span<const NetworkRow> network_rows() { return kNetworks; }

quant::NetworkInfo build_network(std::string_view name, quant::Shape input, int classes,
                                 const BuildOptions& options) {
  std::vector<std::string> names;
  for (const NetworkRow& row : kNetworks) {
    names.emplace_back(row.name);
    if (row.name != name) continue;
    check(row, input, classes, options.width);
    quant::NetworkInfo network = row.build({input, classes, options.width});
    return options.joins == Joins::int8 ? quant::with_integer_joins(network) : network;
  }
  throw base::UserError(fmt::format("unknown network '{}'{}", name, base::did_you_mean(name, names)));
}

}  // namespace bitsmith::trainer
