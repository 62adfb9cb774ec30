#include "quant/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {
namespace {

std::string show(int bits) { return bits == kFloatBits ? "fp32" : fmt::format("{}", bits); }

// What is wrong with a layer's bits, or nothing.
std::optional<std::string> objection(const LayerInfo& layer, LayerBits bits) {
  const QuantizerRow& weights = weight_quantizer(Granularity::channel);
  const QuantizerRow& activations = activation_quantizer(layer.input_signed);
  if (bits.weight != kFloatBits && !weights.serves(bits.weight))
    return fmt::format("{}: weight_bits is {}; allowed: {} to {}, or fp32", layer.name, bits.weight,
                       weights.min_bits, weights.max_bits);
  if (bits.activation != kFloatBits && !activations.serves(bits.activation))
    return fmt::format("{}: activation_bits is {}; allowed: {} to {}, or fp32 ({})", layer.name,
                       bits.activation, activations.min_bits, activations.max_bits,
                       layer.input_signed ? "its input can be negative" : "its input is never negative");
  if (bits.weight == kFloatBits && bits.activation != kFloatBits)
    return fmt::format("{}: fp32 weights go with fp32 activations only, activation_bits is {}", layer.name,
                       bits.activation);
  return std::nullopt;
}

int read_bits(const base::YamlDocument& document, const base::YamlNode& value, const char* key) {
  if (value.is_scalar() && !value.quoted && value.text == "fp32") return kFloatBits;
  const auto bits = base::yaml_integer(value);
  // 32 written out would silently mean fp32: fp32 has one spelling.
  if (!bits || *bits < 1 || *bits > 8)
    document.fail(value.mark, fmt::format("{} is {}; allowed: 1 to 8, or fp32", key, value.described()));
  return static_cast<int>(*bits);
}

void refuse_unknown_keys(const base::YamlDocument& document, const base::YamlNode& map, const char* where,
                         const std::vector<std::string>& allowed) {
  for (const base::YamlEntry& entry : map.entries)
    if (std::find(allowed.begin(), allowed.end(), entry.key) == allowed.end())
      document.fail(entry.key_mark,
                    fmt::format("unknown key '{}' in {}{}; allowed: {}", entry.key, where,
                                base::did_you_mean(entry.key, allowed), base::join_names(allowed)));
}

const base::YamlNode& required(const base::YamlDocument& document, const base::YamlNode& map,
                               const char* where, const char* key) {
  const base::YamlNode* value = map.find(key);
  if (value == nullptr) document.fail(map.mark, fmt::format("{} lacks the key '{}'", where, key));
  return *value;
}

// Reads one item of `layers` into its place.
void read_layer(const base::YamlDocument& document, const base::YamlNode& item, const NetworkInfo& network,
                std::vector<std::optional<LayerBits>>& found) {
  if (!item.is_map())
    document.fail(item.mark,
                  fmt::format("expected {{name, weight_bits, activation_bits}}, got {}", item.described()));
  refuse_unknown_keys(document, item, "a layer", {"name", "weight_bits", "activation_bits"});
  const base::YamlNode& name = required(document, item, "a layer", "name");
  if (!name.is_scalar())
    document.fail(name.mark, fmt::format("name is {}; expected a text", name.described()));
  const int index = network.find_layer(name.text);
  if (index < 0) {
    std::vector<std::string> names;
    for (const LayerInfo& layer : network.layers) names.push_back(layer.name);
    document.fail(name.mark,
                  fmt::format("network '{}' has no layer '{}'{}; its layers: {}", network.name, name.text,
                              base::did_you_mean(name.text, names), base::join_names(names)));
  }
  const LayerInfo& layer = network.layers[static_cast<std::size_t>(index)];
  std::optional<LayerBits>& place = found[static_cast<std::size_t>(index)];
  if (place) document.fail(name.mark, fmt::format("layer '{}' is listed twice", layer.name));
  place = LayerBits{
      read_bits(document, required(document, item, "a layer", "weight_bits"), "weight_bits"),
      read_bits(document, required(document, item, "a layer", "activation_bits"), "activation_bits")};
  if (const auto problem = objection(layer, *place)) document.fail(item.mark, *problem);
}

}  // namespace

std::uint64_t Policy::hash() const {
  base::Hasher hasher;
  for (const LayerBits& bits : layers) {
    hasher.add(bits.weight);
    hasher.add(bits.activation);
  }
  return hasher.value();
}

double Policy::mean_weight_bits(const NetworkInfo& network) const {
  base::require(layers.size() == network.layers.size(), "a policy has one entry per layer");
  double bits = 0, weights = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double n = static_cast<double>(network.layers[i].weights());
    bits += n * layers[i].weight;
    weights += n;
  }
  return weights > 0 ? bits / weights : 0;
}

double Policy::mean_activation_bits(const NetworkInfo& network) const {
  base::require(layers.size() == network.layers.size(), "a policy has one entry per layer");
  double bits = 0, elements = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double n = static_cast<double>(network.layers[i].input.elements());
    bits += n * layers[i].activation;
    elements += n;
  }
  return elements > 0 ? bits / elements : 0;
}

Policy uniform_policy(const NetworkInfo& network, LayerBits bits) {
  return {std::vector<LayerBits>(network.layers.size(), bits)};
}

void validate_policy(const NetworkInfo& network, const Policy& policy) {
  if (policy.layers.size() != network.layers.size())
    throw base::UserError(fmt::format("the policy has bits for {} layers, network '{}' has {}",
                                      policy.layers.size(), network.name, network.layers.size()));
  for (std::size_t i = 0; i < policy.layers.size(); ++i)
    if (const auto problem = objection(network.layers[i], policy.layers[i])) throw base::UserError(*problem);
}

std::string policy_to_yaml(const NetworkInfo& network, const Policy& policy) {
  validate_policy(network, policy);
  const auto bits = [](int value) {
    return value == kFloatBits ? base::yaml_string("fp32") : base::yaml_number(value);
  };
  base::YamlNode root = base::yaml_map();
  base::yaml_add(root, "version", base::yaml_number(1));
  base::yaml_add(root, "network", base::yaml_string(network.name));
  std::vector<base::YamlNode> items;
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    base::YamlNode item = base::yaml_map();
    base::yaml_add(item, "name", base::yaml_string(network.layers[i].name));
    base::yaml_add(item, "weight_bits", bits(policy.layers[i].weight));
    base::yaml_add(item, "activation_bits", bits(policy.layers[i].activation));
    items.push_back(std::move(item));
  }
  base::yaml_add(root, "layers", base::yaml_list(std::move(items)));
  return base::yaml_text(root);
}

Policy policy_from_yaml(const NetworkInfo& network, const std::filesystem::path& file) {
  const base::YamlDocument document = base::read_yaml(file);
  const base::YamlNode& root = document.root;
  if (!root.is_map()) document.fail(root.mark, fmt::format("expected a policy, got {}", root.described()));
  refuse_unknown_keys(document, root, "a policy", {"version", "network", "layers"});
  const base::YamlNode& version = required(document, root, "a policy", "version");
  if (base::yaml_integer(version) != 1)
    document.fail(version.mark,
                  fmt::format("version is {}; this program reads version 1", version.described()));
  const base::YamlNode& name = required(document, root, "a policy", "network");
  if (!name.is_scalar() || name.text != network.name)
    document.fail(name.mark,
                  fmt::format("this policy is for network {}, not for '{}'", name.described(), network.name));
  const base::YamlNode& layers = required(document, root, "a policy", "layers");
  if (!layers.is_sequence())
    document.fail(layers.mark, fmt::format("layers is {}; expected a list", layers.described()));

  std::vector<std::optional<LayerBits>> found(network.layers.size());
  for (const base::YamlNode& item : layers.items) read_layer(document, item, network, found);
  Policy policy;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) missing.push_back(network.layers[i].name);
    policy.layers.push_back(found[i].value_or(LayerBits{}));
  }
  if (!missing.empty())
    document.fail(layers.mark, fmt::format("no bits for layer{} {}", missing.size() > 1 ? "s" : "",
                                           base::join_names(missing)));
  return policy;
}

std::string policy_to_string(const Policy& policy) {
  std::string text;
  for (const LayerBits& bits : policy.layers)
    text += fmt::format("{}w{}a{}", text.empty() ? "" : " ", show(bits.weight), show(bits.activation));
  return text;
}

}  // namespace bitsmith::quant
