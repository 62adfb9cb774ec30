#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// "Not quantized": the value stays fp32.
inline constexpr int kFloatBits = 32;

/// Bits of one layer: 2..8 for weights, 1..8 for the activations that enter the layer (2..8 where they are
/// signed), or kFloatBits. Weights at 2..8 with activations at kFloatBits is weight-only quantization.
struct LayerBits {
  int weight = kFloatBits;
  int activation = kFloatBits;
  auto operator<=>(const LayerBits&) const = default;
};

/// One entry per NetworkInfo::layers, in that order.
struct Policy {
  std::vector<LayerBits> layers;

  bool operator==(const Policy&) const = default;
  std::uint64_t hash() const;
  double mean_weight_bits(const NetworkInfo& network) const;      ///< weighted by the number of weights
  double mean_activation_bits(const NetworkInfo& network) const;  ///< weighted by input elements
};

/// Every layer at `bits`. Callers pin the first and last layer through search::ActionSpace.
Policy uniform_policy(const NetworkInfo& network, LayerBits bits);

/// Throws UserError if the policy has another number of layers or bits that no quantizer serves (names the
/// layer, got, allowed).
void validate_policy(const NetworkInfo& network, const Policy& policy);

/// YAML: `version: 1`, `network: NAME`, `layers: [{name: conv1, weight_bits: 4, activation_bits: 8}, ...]`;
/// `fp32` for kFloatBits. Reading matches layers by name, in any order, and throws UserError
/// (file:line:column) on missing, duplicate or unknown layers and on bits out of range.
std::string policy_to_yaml(const NetworkInfo& network, const Policy& policy);
Policy policy_from_yaml(const NetworkInfo& network, const std::filesystem::path& file);

/// "w4a8 w4a8 w8afp32 ...": one line for people and logs.
std::string policy_to_string(const Policy& policy);

}  // namespace bitsmith::quant
