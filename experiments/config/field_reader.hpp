#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/config/field.hpp"
#include "experiments/config/places.hpp"

namespace bitsmith::experiments {

/// Reads the fields it is shown from a YAML tree (a map or null), checks each by itself, and reports keys
/// that no field asked for. A field that is absent or wrong keeps its value.
class FieldReader : public FieldVisitor {
 public:
  FieldReader(const base::YamlNode& root, Places& places);

  void begin_group(std::string_view name, std::string_view meaning) override;
  void end_group() override;
  void visit(const Field& field, FieldValue value) override;
  /// After the last field: reports unknown keys of all groups.
  void finish();

 private:
  struct Group {
    std::string path;            ///< dotted, ends with '.' unless empty
    const base::YamlNode* node;  ///< a map, or nullptr when the group is absent
    std::vector<std::string> names;
  };
  struct Unknown {
    std::string path, key;
    base::YamlMark mark;
    std::vector<std::string> names;  ///< known in its group
  };
  void close_group();
  /// Whether a dotted path is written, also behind what has been visited.
  bool written(std::string_view path) const;

  Places& places_;
  std::vector<Group> groups_;
  std::vector<Unknown> unknown_;
  std::vector<std::string> known_paths_;
};

}  // namespace bitsmith::experiments
