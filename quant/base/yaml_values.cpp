#include <charconv>
#include <cmath>
#include <cstring>

#include "quant/base/yaml.hpp"

namespace bitsmith::base {

namespace {

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// Optional sign, then digits without a leading zero; returns how many characters that is, 0 if it is not
/// there.
std::size_t integer_part(std::string_view text) {
  const std::size_t start = !text.empty() && text[0] == '-' ? 1 : 0;
  std::size_t end = start;
  while (end < text.size() && is_digit(text[end])) ++end;
  const bool leading_zero = end - start > 1 && text[start] == '0';
  return end == start || leading_zero ? 0 : end;
}

template <class Number>
std::optional<Number> convert(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Whether some reader of YAML 1.1 or 1.2 could take the plain text for something other than this string.
bool is_safe_plain(std::string_view text) {
  static constexpr std::string_view words[] = {"y",    "n",     "yes",  "no",  "on", "off",
                                               "true", "false", "null", "nan", "inf"};
  if (text.empty()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (!is_letter(text[0]) && text[0] != '/') return false;
  for (const char c : text)
    if (!is_letter(c) && !is_digit(c) && std::strchr("./-+", c) == nullptr) return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const std::string_view word : words)
    if (lower == word) return false;
  return true;
}

std::string double_quoted(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string scalar_text(const YamlNode& node) {
  if (node.is_null()) return "null";
  return node.quoted ? double_quoted(node.text) : node.text;
}

std::string key_text(const std::string& key) { return is_safe_plain(key) ? key : double_quoted(key); }

bool is_leaf(const YamlNode& node) { return node.is_null() || node.is_scalar(); }

bool fits_one_line(const YamlNode& node, bool inside_list) {
  if (is_leaf(node)) return true;
  if (node.is_sequence()) {
    for (const YamlNode& item : node.items)
      if (!is_leaf(item)) return false;
    return true;
  }
  if (node.entries.empty()) return true;
  if (!inside_list) return false;
  for (const YamlEntry& entry : node.entries)
    if (!is_leaf(entry.value)) return false;
  return true;
}

std::string one_line(const YamlNode& node) {
  if (is_leaf(node)) return scalar_text(node);
  std::string text;
  const auto separate = [&] {
    if (!text.empty()) text += ", ";
  };
  if (node.is_sequence()) {
    for (const YamlNode& item : node.items) {
      separate();
      text += scalar_text(item);
    }
    return "[" + text + "]";
  }
  for (const YamlEntry& entry : node.entries) {
    separate();
    text += key_text(entry.key) + ": " + scalar_text(entry.value);
  }
  return "{" + text + "}";
}

void write_block(std::string& out, const YamlNode& node, int indent);

/// What follows "key:".
void write_value(std::string& out, const YamlNode& node, int indent) {
  if (fits_one_line(node, false)) {
    out += " " + one_line(node) + "\n";
    return;
  }
  out += "\n";
  write_block(out, node, indent);
}

void write_block(std::string& out, const YamlNode& node, int indent) {
  const std::string spaces(static_cast<std::size_t>(indent), ' ');
  for (const YamlNode& item : node.items) {
    if (fits_one_line(item, true)) {
      out += spaces + "- " + one_line(item) + "\n";
      continue;
    }
    const std::size_t start = out.size();
    write_block(out, item, indent + 2);
    out[start + spaces.size()] = '-';  // in the indentation of the item's first line
  }
  for (const YamlEntry& entry : node.entries) {
    out += spaces + key_text(entry.key) + ":";
    write_value(out, entry.value, indent + 2);
  }
}

YamlNode plain(std::string text) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = std::move(text);
  return node;
}

}  // namespace

std::optional<std::int64_t> yaml_integer(const YamlNode& node) {
  if (!node.is_scalar() || node.quoted || integer_part(node.text) != node.text.size()) return std::nullopt;
  return convert<std::int64_t>(node.text);
}

std::optional<double> yaml_real(const YamlNode& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  const std::string_view text = node.text;
  std::size_t at = integer_part(text);
  if (at == 0) return std::nullopt;
  const auto skip_digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > start;
  };
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!skip_digits()) return std::nullopt;
  }
  std::string digits(text);
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && text[at] == '+') digits.erase(at, 1);  // from_chars takes no plus sign
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (!skip_digits()) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  const std::optional<double> value = convert<double>(digits);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<bool> yaml_boolean(const YamlNode& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  if (node.text == "true") return true;
  if (node.text == "false") return false;
  return std::nullopt;
}

std::string shortest(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

YamlNode yaml_null() { return {}; }

YamlNode yaml_string(std::string_view text) {
  YamlNode node = plain(std::string(text));
  node.quoted = !is_safe_plain(text);
  return node;
}

YamlNode yaml_number(double value) {
  return plain((std::isnan(value) || (std::isinf(value) && value > 0)) ? "." + shortest(value)
               : std::isinf(value)                                     ? "-.inf"
                                                                       : shortest(value));
}

YamlNode yaml_number(std::int64_t value) { return plain(std::to_string(value)); }

YamlNode yaml_bool(bool value) { return plain(value ? "true" : "false"); }

YamlNode yaml_list(std::vector<YamlNode> items) {
  YamlNode node;
  node.kind = YamlNode::Kind::sequence;
  node.items = std::move(items);
  return node;
}

YamlNode yaml_map() {
  YamlNode node;
  node.kind = YamlNode::Kind::map;
  return node;
}

YamlNode& yaml_add(YamlNode& map, std::string_view key, YamlNode value) {
  map.entries.push_back({std::string(key), {}, std::move(value)});
  return map.entries.back().value;
}

std::string yaml_text(const YamlNode& node) {
  if (fits_one_line(node, false)) return one_line(node) + "\n";
  std::string out;
  write_block(out, node, 0);
  return out;
}

}  // namespace bitsmith::base
