#include "quant/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kLeastWeightBits = 2, kLeastSignedBits = 2, kMostBits = 8;

bool fits_weights(Format format) {
  if (format.is_float()) return true;
  if (format.is_integer()) return format.code() >= kLeastWeightBits && format.code() <= kMostBits;
  const FormatRow& row = format.row();
  return row.kind != FormatKind::integer && row.properties.deterministic;
}

bool fits_activations(Format format) {
  return format.is_float() || (format.is_integer() && format.code() <= kMostBits);
}

// What is wrong with a layer's formats, or nothing.
std::optional<std::string> objection(const LayerInfo& layer, LayerFormats formats) {
  if (!fits_weights(formats.weight))
    return fmt::format("{}: weight_bits is {}; allowed: fp32, {}", layer.name, short_name(formats.weight),
                       allowed_weight_formats());
  const int least = layer.input_signed ? kLeastSignedBits : 1;
  if (!fits_activations(formats.activation) || formats.activation.code() < least)
    return fmt::format("{}: activation_bits is {}; allowed: {} to {}, or fp32 ({})", layer.name,
                       short_name(formats.activation), least, kMostBits,
                       layer.input_signed ? "its input can be negative" : "its input is never negative");
  if (formats.weight.is_float() && !formats.activation.is_float())
    return fmt::format("{}: fp32 weights go with fp32 activations only, activation_bits is {}", layer.name,
                       short_name(formats.activation));
  return std::nullopt;
}

/// Bits without a name; 32 written out would silently mean fp32, which has one spelling.
std::optional<Format> format_of_bits(std::string_view text) {
  if (text.size() != 1 || text[0] < '1' || text[0] > '0' + kMostBits) return std::nullopt;
  return Format(text[0] - '0');
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

Format read_format(const base::YamlDocument& document, const base::YamlNode& map, const char* key,
                   std::optional<Format> (*format_of)(std::string_view), const std::string& allowed) {
  const base::YamlNode& value = required(document, map, "a layer", key);
  const auto format = value.is_scalar() && !value.quoted ? format_of(value.text) : std::nullopt;
  if (!format) {
    document.fail(value.mark, fmt::format("{} is {}{}; allowed: {}", key, value.described(),
                                          value.is_scalar() ? format_hint(value.text) : "", allowed));
  }
  return *format;
}

// Reads one item of `layers` into its place.
void read_layer(const base::YamlDocument& document, const base::YamlNode& item, const NetworkInfo& network,
                std::vector<std::optional<LayerFormats>>& found) {
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
  std::optional<LayerFormats>& place = found[static_cast<std::size_t>(index)];
  if (place) document.fail(name.mark, fmt::format("layer '{}' is listed twice", layer.name));
  place = LayerFormats{
      read_format(document, item, "weight_bits", weight_format, "fp32, " + allowed_weight_formats()),
      read_format(document, item, "activation_bits", activation_format, allowed_activation_formats())};
  if (const auto problem = objection(layer, *place)) document.fail(item.mark, *problem);
}

}  // namespace

std::optional<Format> weight_format(std::string_view text) {
  auto format = format_of_bits(text);
  if (!format) format = find_format(text);
  return format && fits_weights(*format) ? format : std::nullopt;
}

std::optional<Format> activation_format(std::string_view text) {
  auto format = format_of_bits(text);
  // "uint8" and "int8" alike: the sign is the layer's.
  if (!format) format = find_format(text.starts_with("uint") ? text.substr(1) : text);
  if (!format && text == "uint1") format = Format(1);
  return format && fits_activations(*format) ? format : std::nullopt;
}

std::string format_hint(std::string_view text) {
  if (find_format(text)) return ", which no kernel multiplies (bitsmith quantize takes it)";
  std::vector<std::string> names;
  for (Format known : all_formats()) names.push_back(known.name());
  return base::did_you_mean(std::string(text), names);
}

std::string short_name(Format format) {
  return format.is_integer() ? fmt::format("{}", format.code()) : format.name();
}

std::string allowed_weight_formats() {
  std::string text = fmt::format("{} to {}", kLeastWeightBits, kMostBits);
  for (const FormatRow& row : format_rows())
    if (row.kind != FormatKind::integer && row.properties.deterministic)
      text += row.numbered ? fmt::format(", {}{} to {}{}", row.name, row.low_bits, row.name, row.high_bits)
                           : fmt::format(", {}", row.name);
  return text;
}

std::string allowed_activation_formats() { return fmt::format("1 to {}, fp32", kMostBits); }

bool Policy::quantizes() const { return std::ranges::any_of(layers, &LayerFormats::quantizes); }

std::uint64_t Policy::hash() const {
  base::Hasher hasher;
  for (const LayerFormats& formats : layers) {
    hasher.add(formats.weight.code());
    hasher.add(formats.activation.code());
  }
  return hasher.value();
}

double Policy::mean_weight_bits(const NetworkInfo& network) const {
  base::require(layers.size() == network.layers.size(), "a policy has one entry per layer");
  double bits = 0, weights = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double n = static_cast<double>(network.layers[i].weights());
    bits += n * layers[i].weight.effective_bits();
    weights += n;
  }
  return weights > 0 ? bits / weights : 0;
}

double Policy::mean_activation_bits(const NetworkInfo& network) const {
  base::require(layers.size() == network.layers.size(), "a policy has one entry per layer");
  double bits = 0, elements = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double n = static_cast<double>(network.layers[i].input.elements());
    bits += n * layers[i].activation.effective_bits();
    elements += n;
  }
  return elements > 0 ? bits / elements : 0;
}

Policy uniform_policy(const NetworkInfo& network, LayerFormats formats) {
  return {std::vector<LayerFormats>(network.layers.size(), formats)};
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
  const auto entry = [](Format format) {
    return format.is_integer() ? base::yaml_number(format.code()) : base::yaml_string(format.name());
  };
  base::YamlNode root = base::yaml_map();
  base::yaml_add(root, "version", base::yaml_number(1));
  base::yaml_add(root, "network", base::yaml_string(network.name));
  std::vector<base::YamlNode> items;
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    base::YamlNode item = base::yaml_map();
    base::yaml_add(item, "name", base::yaml_string(network.layers[i].name));
    base::yaml_add(item, "weight_bits", entry(policy.layers[i].weight));
    base::yaml_add(item, "activation_bits", entry(policy.layers[i].activation));
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

  std::vector<std::optional<LayerFormats>> found(network.layers.size());
  for (const base::YamlNode& item : layers.items) read_layer(document, item, network, found);
  Policy policy;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) missing.push_back(network.layers[i].name);
    policy.layers.push_back(found[i].value_or(LayerFormats{}));
  }
  if (!missing.empty())
    document.fail(layers.mark, fmt::format("no bits for layer{} {}", missing.size() > 1 ? "s" : "",
                                           base::join_names(missing)));
  return policy;
}

std::string policy_to_string(const Policy& policy) {
  std::string text;
  for (const LayerFormats& formats : policy.layers)
    text += fmt::format("{}w{}a{}", text.empty() ? "" : " ", short_name(formats.weight),
                        short_name(formats.activation));
  return text;
}

}  // namespace bitsmith::quant
