#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bitsmith::base {

/// Identities of configs, tables, policies and data: XXH3, 64 bits, over an unambiguous byte stream (strings
/// and spans are preceded by their length). Stable between runs, builds and little-endian machines.
class Hasher {
 public:
  void add(std::string_view text);
  void add(std::span<const std::byte> bytes);
  void add(std::uint64_t value);
  void add(std::int64_t value) { add(static_cast<std::uint64_t>(value)); }
  void add(int value) { add(static_cast<std::uint64_t>(static_cast<std::int64_t>(value))); }
  void add(double value) { add(std::bit_cast<std::uint64_t>(value)); }

  std::uint64_t value() const;
  std::string hex() const;  ///< 16 lower-case digits

 private:
  std::string bytes_;
};

}  // namespace bitsmith::base
