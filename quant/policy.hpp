#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/formats/format.hpp"
#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// "Not quantized": the value stays fp32.
inline constexpr int kFloatBits = 32;

/// What a kernel multiplies with what: bits of weights (1, that is -1 and +1, or 2..8) and of activations
/// (1..8, signed ones 2..8), kFloatBits for fp32. Integer weights with fp32 activations are weight-only
/// quantization.
struct LayerBits {
  int weight = kFloatBits;
  int activation = kFloatBits;
  auto operator<=>(const LayerBits&) const = default;
};

/// What a policy says of one layer. Weights have any format whose codes follow from the weights alone (no
/// stochastic rounding), integers of 2..8 bits; the activations that enter the layer are integers of 1..8
/// bits (2..8 where they are signed) or fp32. fp32 weights go with fp32 activations.
struct LayerFormats {
  Format weight = kFloatBits;
  Format activation = kFloatBits;

  constexpr LayerFormats() = default;
  constexpr LayerFormats(Format of_weights, Format of_activations)
      : weight(of_weights), activation(of_activations) {}
  bool quantizes() const { return !weight.is_float() || !activation.is_float(); }
  auto operator<=>(const LayerFormats&) const = default;
};

/// One entry per NetworkInfo::layers, in that order.
struct Policy {
  std::vector<LayerFormats> layers;

  bool quantizes() const;  ///< anything at all
  bool operator==(const Policy&) const = default;
  std::uint64_t hash() const;
  double mean_weight_bits(const NetworkInfo& network) const;      ///< effective, weighted by weights
  double mean_activation_bits(const NetworkInfo& network) const;  ///< weighted by input elements
};

/// Every layer alike. Callers pin the first and last layer through search::ActionSpace.
Policy uniform_policy(const NetworkInfo& network, LayerFormats formats);

/// A format by its name, or by its bits ("4", "int4"; "uint8" is 8 bits of activations). Nothing where a
/// policy cannot have it for weights, or for activations.
std::optional<Format> weight_format(std::string_view text);
std::optional<Format> activation_format(std::string_view text);
/// What a message adds to a text that is refused: the name that was meant, or that kernels lack the format.
std::string format_hint(std::string_view text);
/// As policies, messages and tables write it: bits for integers, else the name.
std::string short_name(Format format);
std::string allowed_weight_formats();      ///< "2 to 8, binary, ...": what weight_format takes beside fp32
std::string allowed_activation_formats();  ///< with fp32

/// Throws UserError if the policy has another number of layers or formats that nothing serves (names the
/// layer, got, allowed).
void validate_policy(const NetworkInfo& network, const Policy& policy);

/// YAML: `version: 1`, `network: NAME`, `layers: [{name: conv1, weight_bits: 4, activation_bits: 8}, ...]`;
/// `fp32` for kFloatBits, and names of other formats: `weight_bits: mxfp4`. Reading matches layers by name,
/// in any order, and throws UserError (file:line:column) on missing, duplicate or unknown layers and on what
/// nothing serves.
std::string policy_to_yaml(const NetworkInfo& network, const Policy& policy);
Policy policy_from_yaml(const NetworkInfo& network, const std::filesystem::path& file);

/// "w4a8 wmxfp4a8 w8afp32 ...": one line for people and logs.
std::string policy_to_string(const Policy& policy);

}  // namespace bitsmith::quant
