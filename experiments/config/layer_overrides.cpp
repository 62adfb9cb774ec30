#include "experiments/config/layer_overrides.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/nearest.hpp"
#include "quant/policy.hpp"
#include "quant/qat_methods.hpp"

namespace bitsmith::experiments {
namespace {

const std::vector<std::string> kKeys = {"weight_method", "activation_method", "weight_bits",
                                        "activation_bits"};

class OverrideReader {
 public:
  OverrideReader(std::string path, Places& places) : path_(std::move(path)), places_(places) {}

  void read(const base::YamlEntry& entry, quant::LayerOverride& own) const {
    const base::YamlNode& value = entry.value;
    if (entry.key == "weight_method")
      own.weight_method = method<quant::WeightMethod>(entry, quant::weight_method_names());
    else if (entry.key == "activation_method")
      own.activation_method = method<quant::ActivationMethod>(entry, quant::activation_method_names());
    else if (entry.key == "weight_bits")
      own.weight_format =
          format(value, entry.key, quant::weight_format, "32, " + quant::allowed_weight_formats());
    else if (entry.key == "activation_bits")
      own.activation_format = format(value, entry.key, quant::activation_format, "1 to 8, 32");
    else
      places_.problem(entry.key_mark, path_ + "." + entry.key,
                      fmt::format("unknown key{}; allowed: {}", base::did_you_mean(entry.key, kKeys),
                                  base::join_names(kKeys)));
  }

 private:
  template <typename Method>
  std::optional<Method> method(const base::YamlEntry& entry, const std::vector<std::string>& names) const {
    const std::string text = entry.value.is_scalar() ? entry.value.text : "";
    const auto found = std::ranges::find(names, text);
    if (found != names.end()) return static_cast<Method>(found - names.begin());
    places_.problem(entry.value.mark, path_ + "." + entry.key,
                    fmt::format("got {}, allowed: {}{}", entry.value.described(), base::join_names(names),
                                base::did_you_mean(text, names)));
    return std::nullopt;
  }

  std::optional<quant::Format> format(const base::YamlNode& node, const std::string& key,
                                      std::optional<quant::Format> (*format_of)(std::string_view),
                                      const std::string& allowed) const {
    if (node.is_scalar() && !node.quoted) {
      if (node.text == "32") return quant::Format(quant::kFloatBits);
      if (const auto found = format_of(node.text)) return found;
    }
    places_.problem(node.mark, path_ + "." + key,
                    fmt::format("got {}, allowed: {}{}", node.described(), allowed,
                                node.is_scalar() ? quant::format_hint(node.text) : ""));
    return std::nullopt;
  }

  std::string path_;
  Places& places_;
};

base::YamlNode yaml_of(quant::Format format) {
  const bool has_bits = format.is_integer() || format.is_float();
  return has_bits ? base::yaml_number(format.code()) : base::yaml_string(format.name());
}

}  // namespace

quant::LayerOverride read_layer_override(const base::YamlEntry& entry, const std::string& path,
                                         Places& places) {
  quant::LayerOverride own;
  own.layer = entry.key;
  const OverrideReader reader(path + "." + entry.key, places);
  if (!entry.value.is_map()) {
    places.problem(
        entry.value.mark, path + "." + entry.key,
        fmt::format("got {}, allowed: a map of {}", entry.value.described(), base::join_names(kKeys)));
    return own;
  }
  for (const base::YamlEntry& key : entry.value.entries) reader.read(key, own);
  return own;
}

base::YamlNode layer_overrides_yaml(const std::vector<quant::LayerOverride>& layers) {
  base::YamlNode map = base::yaml_map();
  for (const quant::LayerOverride& own : layers) {
    base::YamlNode keys = base::yaml_map();
    if (own.weight_method)
      base::yaml_add(keys, "weight_method",
                     base::yaml_string(std::string(quant::weight_method_row(*own.weight_method).name)));
    if (own.activation_method)
      base::yaml_add(
          keys, "activation_method",
          base::yaml_string(std::string(quant::activation_method_row(*own.activation_method).name)));
    if (own.weight_format) base::yaml_add(keys, "weight_bits", yaml_of(*own.weight_format));
    if (own.activation_format) base::yaml_add(keys, "activation_bits", yaml_of(*own.activation_format));
    base::yaml_add(map, own.layer, std::move(keys));
  }
  return map;
}

}  // namespace bitsmith::experiments
