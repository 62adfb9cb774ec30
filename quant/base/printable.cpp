#include "quant/base/printable.hpp"

#include <fmt/format.h>

#include <cstddef>

namespace bitsmith::base {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

// Of the UTF-8 sequence at the beginning of `text` (RFC 3629); 0: there is none.
std::size_t sequence_length(std::string_view text) {
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
  const unsigned second = byte_at(text, 1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

// Newlines and such; of two bytes: U+0080 to U+009F, which terminals take as commands.
bool is_control(std::string_view sequence) {
  const unsigned first = byte_at(sequence, 0);
  return first < 0x20 || first == 0x7f || (first == 0xc2 && byte_at(sequence, 1) < 0xa0);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string printed;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text), taken = length > 0 ? length : 1;
    const std::string_view sequence = text.substr(0, taken);
    if (length == 0 || is_control(sequence) || sequence == "\\")
      for (const char c : sequence) printed += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      printed += sequence;
    text.remove_prefix(taken);
  }
  return printed;
}

}  // namespace bitsmith::base
