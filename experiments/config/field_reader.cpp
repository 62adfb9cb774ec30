#include "experiments/config/field_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/config/layer_overrides.hpp"
#include "quant/base/nearest.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

namespace {

/// Reads one field's node into its variable; every mistake goes to `places`.
class ValueReader {
 public:
  ValueReader(const Field& field, const FieldValue& value, const base::YamlNode& node, std::string path,
              Places& places)
      : field_(field), value_(value), node_(node), path_(std::move(path)), places_(places) {}

  void operator()(bool* target) const {
    if (const auto value = base::yaml_boolean(node_)) {
      *target = *value;
    } else {
      refuse(node_, path_);
    }
  }
  void operator()(int* target) const { read_number(target, node_, path_); }
  void operator()(double* target) const { read_number(target, node_, path_); }
  void operator()(std::string* target) const { read_text(target, node_, path_); }
  void operator()(std::vector<int>* target) const {
    read_list(target, [this](auto... arguments) { return read_number(arguments...); });
  }
  void operator()(std::vector<double>* target) const {
    read_list(target, [this](auto... arguments) { return read_number(arguments...); });
  }
  void operator()(std::vector<std::string>* target) const {
    read_list(target, [this](std::string* text, const base::YamlNode& node, const std::string& path) {
      return read_text(text, node, path);
    });
  }
  void operator()(quant::Format* target) const { read_format(target, node_, path_); }
  void operator()(std::vector<quant::Format>* target) const {
    read_list(target, [this](auto... arguments) { return read_format(arguments...); });
  }
  void operator()(const Choice& choice) const {
    std::string word;
    if (!read_text(&word, node_, path_)) return;
    choice.assign(static_cast<int>(std::find(field_.choices.begin(), field_.choices.end(), word) -
                                   field_.choices.begin()));
  }
  void operator()(std::vector<quant::LayerOverride>* target) const {
    if (!node_.is_map()) return refuse(node_, path_);
    target->clear();
    for (const base::YamlEntry& entry : node_.entries) {
      places_.found(path_ + "." + entry.key, entry.key_mark);
      target->push_back(read_layer_override(entry, path_, places_));
    }
  }
  void operator()(std::vector<Constraint>* target) const {
    if (!node_.is_map()) return refuse(node_, path_);
    target->clear();
    for (const base::YamlEntry& entry : node_.entries) {
      const std::string path = path_ + "." + entry.key;
      places_.found(path, entry.key_mark);
      const base::YamlNode& bound = entry.value;
      auto parsed = parse_constraint(entry.key, bound.is_scalar() ? bound.text : bound.described());
      if (const auto* message = std::get_if<std::string>(&parsed)) {
        places_.problem(bound.mark, path, *message);
      } else {
        target->push_back(std::get<Constraint>(std::move(parsed)));
      }
    }
  }

 private:
  std::string hint(const base::YamlNode& node) const {
    if (node.is_null()) return "; leave the key out for its default";
    if (!node.is_scalar()) return {};
    if (!field_.choices.empty()) return base::did_you_mean(node.text, field_.choices);
    if (field_.format_of != nullptr && !node.quoted) return quant::format_hint(node.text);
    const bool wants_text = std::holds_alternative<std::string*>(value_);
    const bool octal = node.text.size() > 1 && node.text.find_first_not_of("0123456789") == std::string::npos;
    if (node.quoted && !wants_text) return "; write it without quotes";
    if (octal && node.text[0] == '0')
      return "; leading zeros are not allowed, some programs read them as octal";
    const bool boolean_word =
        node.text == "yes" || node.text == "on" || node.text == "True" || node.text == "TRUE";
    if (std::holds_alternative<bool*>(value_) && boolean_word) return ", did you mean 'true'?";
    if (std::holds_alternative<bool*>(value_))
      return base::did_you_mean(node.text, std::vector<std::string>{"true", "false"});
    return {};
  }

  void refuse(const base::YamlNode& node, const std::string& path) const {
    places_.problem(
        node.mark, path,
        fmt::format("got {}, allowed: {}{}", node.described(), field_.allowed(value_), hint(node)));
  }

  bool in_range(double value) const {
    if (field_.integers.empty()) return field_.range.contains(value);
    return std::any_of(field_.integers.begin(), field_.integers.end(),
                       [&](int allowed) { return allowed == value; });
  }

  bool read_number(int* target, const base::YamlNode& node, const std::string& path) const {
    const auto value = base::yaml_integer(node);
    const bool fits =
        value && *value >= std::numeric_limits<int>::min() && *value <= std::numeric_limits<int>::max();
    if (!fits || !in_range(static_cast<double>(*value))) return refuse(node, path), false;
    *target = static_cast<int>(*value);
    return true;
  }
  bool read_number(double* target, const base::YamlNode& node, const std::string& path) const {
    const auto value = base::yaml_real(node);
    if (!value || !in_range(*value)) return refuse(node, path), false;
    *target = *value;
    return true;
  }
  bool read_text(std::string* target, const base::YamlNode& node, const std::string& path) const {
    const auto& choices = field_.choices;
    if (node.is_null() && !choices.empty() && !field_.empty.empty()) return target->clear(), true;
    const bool known = choices.empty() ||
                       std::find(choices.begin(), choices.end(), node.text) != choices.end() ||
                       (node.text.empty() && !field_.empty.empty());
    if (!node.is_scalar() || !known) return refuse(node, path), false;
    *target = node.text;
    return true;
  }
  bool read_format(quant::Format* target, const base::YamlNode& node, const std::string& path) const {
    const auto found = node.is_scalar() && !node.quoted ? field_.format_of(node.text) : std::nullopt;
    if (!found) return refuse(node, path), false;
    *target = *found;
    return true;
  }

  template <class T, class ReadElement>
  void read_list(std::vector<T>* target, ReadElement read_element) const {
    const std::size_t size = node_.items.size();
    if (!node_.is_sequence()) return refuse(node_, path_);
    if (size < field_.min_size || size > field_.max_size) {
      const std::string got =
          fmt::format("got {} value{}, allowed: {}", size, size == 1 ? "" : "s", field_.allowed(value_));
      return places_.problem(node_.mark, path_, got);
    }
    std::vector<T> list(size);
    bool good = true;
    for (std::size_t i = 0; i < size; ++i) {
      const std::string path = fmt::format("{}[{}]", path_, i);
      places_.found(path, node_.items[i].mark);
      if (read_element(&list[i], node_.items[i], path)) continue;
      good = false;
    }
    if (good) *target = std::move(list);
  }

  const Field& field_;
  const FieldValue& value_;
  const base::YamlNode& node_;
  std::string path_;
  Places& places_;
};

std::string last_key(const std::string& path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

FieldReader::FieldReader(const base::YamlNode& root, Places& places) : places_(places) {
  groups_.push_back({"", root.is_map() ? &root : nullptr, {}});
}

void FieldReader::begin_group(std::string_view name, std::string_view) {
  Group& parent = groups_.back();
  parent.names.emplace_back(name);
  const std::string path = parent.path + std::string(name);
  known_paths_.push_back(path);
  const base::YamlNode* node = nullptr;
  if (parent.node != nullptr) {
    for (const base::YamlEntry& entry : parent.node->entries) {
      if (entry.key != name) continue;
      places_.found(path, entry.key_mark);
      if (entry.value.is_map()) node = &entry.value;
      // A group whose keys are all commented out is null.
      if (!entry.value.is_map() && !entry.value.is_null())
        places_.problem(entry.value.mark, path,
                        "got " + entry.value.described() + ", allowed: a map of keys");
    }
  }
  groups_.push_back({path + ".", node, {}});
}

void FieldReader::close_group() {
  const Group group = std::move(groups_.back());
  groups_.pop_back();
  if (group.node == nullptr) return;
  for (const base::YamlEntry& entry : group.node->entries) {
    const bool known = std::find(group.names.begin(), group.names.end(), entry.key) != group.names.end();
    if (!known) unknown_.push_back({group.path + entry.key, entry.key, entry.key_mark, group.names});
  }
}

bool FieldReader::written(std::string_view path) const {
  const base::YamlNode* node = groups_.front().node;
  while (node != nullptr && !path.empty()) {
    const std::size_t dot = path.find('.');
    node = node->find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return node != nullptr;
}

void FieldReader::end_group() { close_group(); }

void FieldReader::visit(const Field& field, FieldValue value) {
  Group& group = groups_.back();
  group.names.emplace_back(field.name);
  const std::string path = group.path + std::string(field.name);
  known_paths_.push_back(path);
  if (group.node != nullptr) {
    for (const base::YamlEntry& entry : group.node->entries) {
      if (entry.key != field.name) continue;
      places_.found(path, entry.key_mark);
      std::visit(ValueReader(field, value, entry.value, path, places_), value);
    }
  }
  const bool excused =
      std::ranges::any_of(field.unless, [this](std::string_view excuse) { return written(excuse); });
  if (field.required && !excused && !places_.given(path))
    places_.problem(path, "is required; allowed: " + field.allowed(value));
}

void FieldReader::finish() {
  close_group();
  for (const Unknown& unknown : unknown_) {
    std::string nearest = base::nearest_name(unknown.key, unknown.names);
    // The right word in the wrong group: name the group.
    if (nearest.empty()) {
      for (const std::string& path : known_paths_)
        if (nearest.empty() && last_key(path) == unknown.key) nearest = path;
    }
    const std::string allowed = fmt::format("unknown key, allowed: {}", base::join_names(unknown.names));
    places_.problem(unknown.mark, unknown.path,
                    nearest.empty() ? allowed : fmt::format("unknown key, did you mean '{}'?", nearest));
  }
}

}  // namespace bitsmith::experiments
