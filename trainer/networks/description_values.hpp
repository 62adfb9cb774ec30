#pragma once

#include <string>
#include <vector>

#include "quant/base/yaml.hpp"
#include "trainer/networks/description.hpp"

namespace bitsmith::trainer {

/// What is wrong with a description.
class DescriptionProblems {
 public:
  /// `place` is dotted; empty for the document itself.
  void add(base::YamlMark mark, const std::string& place, const std::string& message);
  /// Reports the keys of a map that are not among the allowed ones.
  void check_keys(const base::YamlNode& map, const std::string& place,
                  const std::vector<std::string>& allowed);
  bool any() const { return !problems_.empty(); }
  /// All of them, in the order of the text.
  void throw_if_any(const base::YamlDocument& document) const;

 private:
  std::vector<base::YamlProblem> problems_;
};

/// Reads those of a layer's values that are among `keys` into it; what is absent keeps its default (bias is
/// true for linear layers).
void read_layer_values(const base::YamlNode& values, const std::vector<std::string>& keys,
                       DescribedLayer& layer, DescriptionProblems& problems);

}  // namespace bitsmith::trainer
