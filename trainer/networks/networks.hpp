#pragma once

#include <span>
#include <string_view>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// One built-in network: a row of the table in networks.cpp.
struct NetworkRecipe {
  std::string_view name;
  std::string_view about;
  quant::NetworkInfo (*build)(quant::Shape input, int classes);
};
std::span<const NetworkRecipe> network_recipes();

/// Throws UserError for an unknown name (with the nearest and all names), an input the network cannot take,
/// or less than two classes.
quant::NetworkInfo build_network(std::string_view name, quant::Shape input, int classes);

}  // namespace bitsmith::trainer
