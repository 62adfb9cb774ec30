#include "quant/formats/bit_stream.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"

namespace bitsmith::quant {

void BitWriter::write(std::uint32_t field, int bits) {
  base::require(bits >= 1 && bits <= 32, "a field of 1 to 32 bits");
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  held_ |= (field & mask) << count_;
  for (count_ += bits; count_ >= 8; count_ -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(held_ & 0xFF));
    held_ >>= 8;
  }
}

void BitWriter::finish() {
  if (count_ > 0) write(0, 8 - count_);
}

std::uint32_t BitReader::read(int bits) {
  base::require(bits >= 1 && bits <= 32, "a field of 1 to 32 bits");
  for (; count_ < bits; count_ += 8) {
    if (next_ == bytes_.size())
      throw base::UserError(
          fmt::format("packed numbers end after {} bytes, before their last", bytes_.size()));
    held_ |= std::uint64_t{bytes_[next_++]} << count_;
  }
  const std::uint32_t field = static_cast<std::uint32_t>(held_ & ((std::uint64_t{1} << bits) - 1));
  held_ >>= bits;
  count_ -= bits;
  return field;
}

void BitReader::finish() {
  if (held_ != 0)
    throw base::UserError(
        fmt::format("packed numbers: the spare bits of byte {} are {}, not 0", next_ - 1, held_));
  count_ = 0;
}

}  // namespace bitsmith::quant
