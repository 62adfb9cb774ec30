#pragma once

#include <span>
#include <string_view>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// A built-in network: any number of input channels, any input at least `min_size` pixels high and wide.
struct NetworkRow {
  std::string_view name;
  std::string_view description;
  int min_size;
  quant::NetworkInfo (*build)(quant::Shape input, int classes);
};

/// All built-in networks. A new one is a file in this folder and a row in networks.cpp.
std::span<const NetworkRow> network_rows();

/// What additions and average pooling read in a quantized network: see quant::with_integer_joins.
enum class Joins { fp32, int8 };

/// Throws UserError for an unknown name (the nearest is suggested), inputs that are too small, or fewer than
/// 2 classes.
quant::NetworkInfo build_network(std::string_view name, quant::Shape input, int classes,
                                 Joins joins = Joins::fp32);

// The builders themselves, one family to a file.
quant::NetworkInfo build_cnn_small(quant::Shape input, int classes);
quant::NetworkInfo build_resnet8(quant::Shape input, int classes);
quant::NetworkInfo build_resnet20(quant::Shape input, int classes);
quant::NetworkInfo build_mobilenet_v2_small(quant::Shape input, int classes);

}  // namespace bitsmith::trainer
