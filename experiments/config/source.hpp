#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::experiments {

/// All that is wrong with a configuration, in the order of the text; what() has one line per problem.
class ConfigError : public base::UserError {
 public:
  explicit ConfigError(std::vector<std::string> problems);
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

/// The text of a configuration with the overrides of the command line put into its tree. A node that came
/// from override k carries the mark {-1 - k, 0}.
class ConfigSource {
 public:
  /// `overrides` are "dotted.path=value" with the value in YAML; a later one wins. Mistakes that leave a tree
  /// (duplicate keys, an override without '=', with a malformed value or into something that is no map) are
  /// in problems(); a text that cannot be read as YAML throws UserError.
  ConfigSource(std::string_view text, std::string name, std::span<const std::string> overrides);

  const base::YamlNode& root() const { return document_.root; }
  const std::vector<base::YamlProblem>& problems() const { return problems_; }
  /// "file:line:column" or "--set path=value".
  std::string at(base::YamlMark mark) const;

 private:
  void apply(int index);
  base::YamlNode read_value(int index, std::string_view text);

  base::YamlDocument document_;
  std::vector<std::string> overrides_;
  std::vector<base::YamlProblem> problems_;
};

}  // namespace bitsmith::experiments
