#include "experiments/config/describe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "experiments/config/fields.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

namespace {

struct DefaultText {
  const Field& field;

  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const int* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return base::shortest(*value); }
  std::string operator()(const std::string* value) const { return value->empty() ? "\"\"" : *value; }
  std::string operator()(const quant::Format* format) const {
    return format->is_float() ? "32" : quant::short_name(*format);
  }
  template <class T>
  std::string operator()(const std::vector<T>* values) const {
    std::string text;
    for (const T& value : *values) text += (text.empty() ? "" : ", ") + (*this)(&value);
    return "[" + text + "]";
  }
  std::string operator()(const Choice& choice) const {
    return field.choices.at(static_cast<std::size_t>(choice.value));
  }
  std::string operator()(const std::vector<Constraint>*) const { return "{}"; }
  std::string operator()(const std::vector<quant::LayerOverride>*) const { return "{}"; }
};

class Describer : public FieldVisitor {
 public:
  void begin_group(std::string_view name, std::string_view meaning) override {
    keys_.push_back({prefix_ + std::string(name), "group", "", "", "", std::string(meaning), false});
    lengths_.push_back(prefix_.size());
    prefix_ += std::string(name) + ".";
  }
  void end_group() override {
    prefix_.resize(lengths_.back());
    lengths_.pop_back();
  }
  void visit(const Field& field, FieldValue value) override {
    std::string meaning(field.meaning);
    if (!field.unless.empty())
      meaning += fmt::format(" (unless {} is given)", fmt::join(field.unless, " or "));
    std::string shown = std::visit(DefaultText{field}, value);
    if (!field.empty.empty() && (shown == "[]" || shown == "{}" || shown == "\"\""))
      shown += " (" + std::string(field.empty) + ")";
    keys_.push_back({prefix_ + std::string(field.name), field.type_name(value), field.required ? "" : shown,
                     field.allowed(value), std::string(field.unit), std::move(meaning), field.required});
  }
  std::vector<KeyDescription> take() { return std::move(keys_); }

 private:
  std::string prefix_;
  std::vector<std::size_t> lengths_;
  std::vector<KeyDescription> keys_;
};

}  // namespace

std::vector<KeyDescription> describe_config(std::string_view path) {
  Config defaults;
  Describer describer;
  visit_fields(describer, defaults);
  std::vector<KeyDescription> all = describer.take();
  if (path.empty()) return all;
  std::vector<std::string> names;
  std::vector<KeyDescription> selected;
  const std::string below = std::string(path) + ".";
  for (const KeyDescription& key : all) {
    names.push_back(key.path);
    if (key.path == path || key.path.starts_with(below)) selected.push_back(key);
  }
  if (!selected.empty()) return selected;
  std::string nearest;  // the right word without its group, before a similar one
  for (const std::string& name : names)
    if (nearest.empty() && name.ends_with("." + std::string(path))) nearest = name;
  if (nearest.empty()) nearest = base::nearest_name(path, names);
  throw base::UserError(fmt::format(
      "there is no key '{}'{}", path,
      nearest.empty() ? "; `bitsmith describe` lists all" : fmt::format(", did you mean '{}'?", nearest)));
}

std::string description_text(const std::vector<KeyDescription>& keys) {
  std::string text;
  for (const KeyDescription& key : keys) {
    if (key.type == "group") {
      text += fmt::format("{}{}: {}\n", text.empty() ? "" : "\n", key.path, key.meaning);
      continue;
    }
    text += fmt::format("  {} ({}{}{})\n", key.path, key.type, key.unit.empty() ? "" : ", ", key.unit);
    text += fmt::format("      {}\n", key.meaning);
    text += fmt::format("      {}; allowed: {}\n", key.required ? "required" : "default " + key.default_value,
                        key.allowed);
  }
  return text;
}

std::string description_json(const std::vector<KeyDescription>& keys) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const KeyDescription& key : keys) {
    nlohmann::ordered_json row;
    row["path"] = key.path;
    row["type"] = key.type;
    row["default"] = key.default_value;
    row["allowed"] = key.allowed;
    row["unit"] = key.unit;
    row["meaning"] = key.meaning;
    row["required"] = key.required;
    list.push_back(std::move(row));
  }
  nlohmann::ordered_json object;
  object["keys"] = std::move(list);
  return object.dump(2);
}

}  // namespace bitsmith::experiments
