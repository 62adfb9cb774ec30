#pragma once

#include <span>
#include <string_view>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// What a builder is told.
struct NetworkArguments {
  quant::Shape input;
  int classes = 0;
  double width = 1;  ///< multiplies the channels of networks with `has_width`; see scaled_channels
};

/// A built-in network: any number of input channels, any input at least `min_size` pixels high and wide.
struct NetworkRow {
  std::string_view name;
  std::string_view description;
  int min_size;
  bool has_width;  ///< whether it comes in other widths than 1
  quant::NetworkInfo (*build)(const NetworkArguments&);
};

/// All built-in networks. A new one is a file in this folder and a row in networks.cpp.
std::span<const NetworkRow> network_rows();

/// What additions and average pooling read in a quantized network: see quant::with_integer_joins.
enum class Joins { fp32, int8 };

struct BuildOptions {
  Joins joins = Joins::fp32;
  double width = 1;
};

/// Throws UserError for an unknown name (the nearest is suggested), inputs that are too small, fewer than 2
/// classes, a width that is not between kLeastWidth and kMostWidth, or another width than 1 for a network
/// that has none.
quant::NetworkInfo build_network(std::string_view name, quant::Shape input, int classes,
                                 const BuildOptions& options = {});
inline constexpr double kLeastWidth = 0.01, kMostWidth = 16;

// The builders themselves, one family to a file.
quant::NetworkInfo build_cnn_small(const NetworkArguments&);
quant::NetworkInfo build_ds_cnn(const NetworkArguments&);
quant::NetworkInfo build_lenet5(const NetworkArguments&);
quant::NetworkInfo build_mlp(const NetworkArguments&);
quant::NetworkInfo build_mobilenet_v1(const NetworkArguments&);
quant::NetworkInfo build_mobilenet_v2(const NetworkArguments&);
quant::NetworkInfo build_mobilenet_v2_small(const NetworkArguments&);
quant::NetworkInfo build_resnet8(const NetworkArguments&);
quant::NetworkInfo build_resnet20(const NetworkArguments&);
quant::NetworkInfo build_resnet32(const NetworkArguments&);
quant::NetworkInfo build_resnet56(const NetworkArguments&);
quant::NetworkInfo build_vgg_small(const NetworkArguments&);
quant::NetworkInfo build_vit_tiny(const NetworkArguments&);

}  // namespace bitsmith::trainer
