#include <fmt/format.h>

#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Bytes of the character that `text` begins with; 0 for control characters (C1 too) and what is no UTF-8.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return lead < 0x20 || lead == 0x7f ? 0 : 1;
  const std::size_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  for (std::size_t i = 1; i < count; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool is_overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool is_surrogate = lead == 0xed && byte(1) >= 0xa0, is_too_large = lead == 0xf4 && byte(1) >= 0x90;
  const bool is_control = lead == 0xc2 && byte(1) < 0xa0;
  return is_overlong || is_surrogate || is_too_large || is_control ? 0 : count;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr std::size_t kShown = 60;  // characters, at either end
  constexpr std::size_t kRead = 1000;
  std::string ends;  // hostile names can be as long as files
  if (name.size() > 2 * kRead) {
    ends = std::string(name.substr(0, kRead)) + std::string(name.substr(name.size() - kRead));
    name = ends;
  }
  std::vector<std::string> characters;
  while (!name.empty()) {
    const std::size_t bytes = character_bytes(name);
    characters.push_back(bytes == 0 ? fmt::format("\\x{:02x}", static_cast<unsigned char>(name[0]))
                                    : std::string(name.substr(0, bytes)));
    name.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  std::string text;
  for (std::size_t c = 0; c < characters.size(); ++c) {
    if (c == kShown && characters.size() > 2 * kShown) {
      text += "...";
      c = characters.size() - kShown;
    }
    text += characters[c];
  }
  return text;
}

std::string shown(std::string_view name) { return "'" + printable(name) + "'"; }

}  // namespace bitsmith::trainer::onnx
