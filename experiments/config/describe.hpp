#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::experiments {

/// One key of the configuration as `bitsmith describe` shows it.
struct KeyDescription {
  std::string path;
  std::string type;           ///< "integer", "list of words", ...; "group"
  std::string default_value;  ///< as YAML; empty for groups and required keys
  std::string allowed;        ///< empty for groups
  std::string unit;
  std::string meaning;
  bool required = false;
};

/// All keys in the order of a configuration file, or those at or below `path`. Throws UserError for a path
/// that does not exist (with the nearest).
std::vector<KeyDescription> describe_config(std::string_view path = "");

std::string description_text(const std::vector<KeyDescription>& keys);
/// {"keys": [{"path", "type", "default", "allowed", "unit", "meaning", "required"}]}
std::string description_json(const std::vector<KeyDescription>& keys);

}  // namespace bitsmith::experiments
