#include "experiments/config/dump.hpp"

#include <algorithm>

#include "experiments/config/fields.hpp"
#include "experiments/config/layer_overrides.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::experiments {

namespace {

struct ToYaml {
  const Field& field;

  base::YamlNode operator()(const bool* value) const { return base::yaml_bool(*value); }
  base::YamlNode operator()(const int* value) const { return base::yaml_number(*value); }
  base::YamlNode operator()(const double* value) const { return base::yaml_number(*value); }
  base::YamlNode operator()(const std::string* value) const { return base::yaml_string(*value); }
  base::YamlNode operator()(const quant::Format* format) const {
    const bool has_bits = format->is_integer() || format->is_float();
    return has_bits ? base::yaml_number(format->code()) : base::yaml_string(format->name());
  }
  template <class T>
  base::YamlNode operator()(const std::vector<T>* values) const {
    base::YamlNode list = base::yaml_list({});
    for (const T& value : *values) list.items.push_back((*this)(&value));
    return list;
  }
  base::YamlNode operator()(const Choice& choice) const {
    return base::yaml_string(field.choices.at(static_cast<std::size_t>(choice.value)));
  }
  base::YamlNode operator()(const std::vector<quant::LayerOverride>* layers) const {
    return layer_overrides_yaml(*layers);
  }
  base::YamlNode operator()(const std::vector<Constraint>* constraints) const {
    base::YamlNode map = base::yaml_map();
    for (const Constraint& constraint : *constraints)
      base::yaml_add(map, constraint.name, base::yaml_string(constraint.text()));
    return map;
  }
};

class YamlWriter : public FieldVisitor {
 public:
  explicit YamlWriter(bool only_what_shapes_results) : only_what_shapes_results_(only_what_shapes_results) {
    open_.push_back(base::yaml_map());
  }

  void begin_group(std::string_view name, std::string_view) override {
    names_.emplace_back(name);
    open_.push_back(base::yaml_map());
  }
  void end_group() override {
    base::YamlNode group = std::move(open_.back());
    open_.pop_back();
    base::yaml_add(open_.back(), names_.back(), std::move(group));
    names_.pop_back();
  }
  void visit(const Field& field, FieldValue value) override {
    if (only_what_shapes_results_ && !field.shapes_result) return;
    base::yaml_add(open_.back(), field.name, std::visit(ToYaml{field}, value));
  }
  base::YamlNode take() { return std::move(open_.back()); }

 private:
  bool only_what_shapes_results_;
  std::vector<std::string> names_;
  std::vector<base::YamlNode> open_;
};

base::YamlNode write(const Config& config, bool only_what_shapes_results) {
  Config copy = config;
  YamlWriter writer(only_what_shapes_results);
  visit_fields(writer, copy);
  return writer.take();
}

std::string hash_text(std::string_view text) {
  base::Hasher hasher;
  hasher.add(text);
  return hasher.hex();
}

}  // namespace

base::YamlNode config_to_yaml(const Config& config) { return write(config, false); }

std::string dump_config(const Config& config) { return base::yaml_text(config_to_yaml(config)); }

std::string config_identity(const Config& config) { return hash_text(base::yaml_text(write(config, true))); }

std::string config_identity(const Config& config, std::span<const std::string_view> keys) {
  base::YamlNode root = write(config, true);
  std::erase_if(root.entries, [&](const base::YamlEntry& entry) {
    return std::find(keys.begin(), keys.end(), entry.key) == keys.end();
  });
  return hash_text(base::yaml_text(root));
}

}  // namespace bitsmith::experiments
