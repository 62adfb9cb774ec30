#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// Where something stands in a YAML text, counted from 1; 0 means unknown.
struct YamlMark {
  int line = 0, column = 0;
  bool operator==(const YamlMark&) const = default;
};

struct YamlEntry;

/// A value of a YAML document. `null` is an empty value, `~` or `null`.
struct YamlNode {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  std::string text;                ///< scalar
  bool quoted = false;             ///< scalar: '...', "..." or a block: never a number or a word like true
  std::vector<YamlNode> items;     ///< sequence
  std::vector<YamlEntry> entries;  ///< map, in the order of the text; keys are unique
  YamlMark mark;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_map() const { return kind == Kind::map; }
  /// The value of a map's key, or nullptr.
  const YamlNode* find(std::string_view key) const;
  /// What a message calls it: "a map", "a list", "nothing", "'text'" (shortened).
  std::string described() const;
};

struct YamlEntry {
  std::string key;
  YamlMark key_mark;
  YamlNode value;
};

/// Something wrong at a place in a text.
struct YamlProblem {
  YamlMark mark;
  std::string message;
};

struct YamlDocument {
  std::string source;  ///< the file's name as messages show it
  YamlNode root;

  /// "file:line:column"
  std::string at(YamlMark mark) const;
  /// Throws UserError "file:line:column: message".
  [[noreturn]] void fail(YamlMark mark, const std::string& message) const;
};

/// Strict YAML: UTF-8, one document, unique keys that are scalars, no tags, no merge keys, nesting up to 64,
/// 100,000 nodes after aliases are expanded; anything else throws UserError "source:line:column: message".
/// With `duplicates`, repeated keys are reported there instead and the first value stays, so that a caller
/// can tell the user of all mistakes at once.
YamlDocument parse_yaml(std::string_view text, std::string source,
                        std::vector<YamlProblem>* duplicates = nullptr);

/// The same from a file of up to 1 MiB; UserError also when it cannot be read.
YamlDocument read_yaml(const std::filesystem::path& path, std::vector<YamlProblem>* duplicates = nullptr);

/// Strict readings of a plain scalar; nothing when it is not one. Integers are decimal without leading zeros
/// (010 is 8 to some readers of YAML, 10 to others); reals are finite and decimal; booleans are `true` and
/// `false`.
std::optional<std::int64_t> yaml_integer(const YamlNode& node);
std::optional<double> yaml_real(const YamlNode& node);
std::optional<bool> yaml_boolean(const YamlNode& node);

/// The shortest text that reads back as the same double; "nan", "inf" and "-inf" for those.
std::string shortest(double value);

/// Nodes to be written by yaml_text(). Strings are quoted where a reader could take them for anything else.
YamlNode yaml_null();
YamlNode yaml_string(std::string_view text);
YamlNode yaml_number(double value);
YamlNode yaml_number(std::int64_t value);
inline YamlNode yaml_number(int value) { return yaml_number(std::int64_t{value}); }
YamlNode yaml_bool(bool value);
YamlNode yaml_list(std::vector<YamlNode> items);
YamlNode yaml_map();
/// Appends `key: value` to a map and returns the stored value.
YamlNode& yaml_add(YamlNode& map, std::string_view key, YamlNode value);

/// Block style, two spaces; lists of scalars, and maps of scalars that are items of a list, on one line.
/// parse_yaml() of the result gives equal values.
std::string yaml_text(const YamlNode& node);

}  // namespace bitsmith::base
