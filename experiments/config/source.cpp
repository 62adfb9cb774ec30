#include "experiments/config/source.hpp"

#include <utility>

namespace bitsmith::experiments {

namespace {

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

void mark_all(base::YamlNode& node, base::YamlMark mark) {
  node.mark = mark;
  for (base::YamlNode& item : node.items) mark_all(item, mark);
  for (base::YamlEntry& entry : node.entries) {
    entry.key_mark = mark;
    mark_all(entry.value, mark);
  }
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> keys(1);
  for (const char letter : path) {
    if (letter == '.') {
      keys.emplace_back();
    } else {
      keys.back() += letter;
    }
  }
  return keys;
}

base::YamlNode& entry_of(base::YamlNode& map, const std::string& key, base::YamlMark mark) {
  for (base::YamlEntry& entry : map.entries)
    if (entry.key == key) return entry.value;
  map.entries.push_back({key, mark, {}});
  map.entries.back().value.mark = mark;
  return map.entries.back().value;
}

/// An absent or empty group becomes a map; false if there is something else.
bool make_map(base::YamlNode& node) {
  if (node.is_null()) node.kind = base::YamlNode::Kind::map;
  return node.is_map();
}

}  // namespace

ConfigError::ConfigError(std::vector<std::string> problems)
    : base::UserError(join_lines(problems)), problems_(std::move(problems)) {}

ConfigSource::ConfigSource(std::string_view text, std::string name, std::span<const std::string> overrides)
    : overrides_(overrides.begin(), overrides.end()) {
  document_ = base::parse_yaml(text, std::move(name), &problems_);
  for (int index = 0; index < static_cast<int>(overrides_.size()); ++index) apply(index);
}

std::string ConfigSource::at(base::YamlMark mark) const {
  if (mark.line >= 0) return document_.at(mark);
  return "--set " + overrides_[static_cast<std::size_t>(-1 - mark.line)];
}

base::YamlNode ConfigSource::read_value(int index, std::string_view text) {
  const base::YamlMark mark{-1 - index, 0};
  base::YamlNode value;
  try {
    std::vector<base::YamlProblem> duplicates;
    value = base::parse_yaml(text, "value", &duplicates).root;
    for (const base::YamlProblem& duplicate : duplicates) problems_.push_back({mark, duplicate.message});
  } catch (const base::UserError& error) {
    problems_.push_back({mark, error.what()});
  }
  mark_all(value, mark);
  return value;
}

void ConfigSource::apply(int index) {
  const base::YamlMark mark{-1 - index, 0};
  const std::string& text = overrides_[static_cast<std::size_t>(index)];
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems_.push_back({mark, "expected KEY=VALUE, e.g. --set search.episodes=400"});
    return;
  }
  const std::size_t before = problems_.size();
  base::YamlNode value = read_value(index, std::string_view(text).substr(equals + 1));
  if (problems_.size() > before) return;
  base::YamlNode* node = &document_.root;
  std::string walked;
  for (const std::string& key : split_path(std::string_view(text).substr(0, equals))) {
    if (!make_map(*node)) {
      problems_.push_back({mark, "'" + walked + "' is not a group, its value is " + node->described()});
      return;
    }
    node = &entry_of(*node, key, mark);
    walked += (walked.empty() ? "" : ".") + key;
  }
  *node = std::move(value);
}

}  // namespace bitsmith::experiments
