#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "quant/base/error.hpp"
#include "quant/formats/bit_stream.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

// Base 3: 3^5 = 243 combinations in a byte.
constexpr int kTritsOfByte = 5;
constexpr std::uint32_t kTritBytes = 243;

bool codes_are_signed(Format format) {
  switch (format.row().kind) {
    case FormatKind::integer:
      return format.row().is_signed;
    case FormatKind::vector_scaled:
    case FormatKind::micro_exponent:
      return true;
    case FormatKind::mx:
      return format == kMxint8;
    default:
      return false;
  }
}

// bitsandbytes puts the first of two codes into the high nibble; all others are a plain stream.
void write_high_nibble_first(std::span<const std::int32_t> codes, BitWriter& to) {
  for (std::size_t i = 0; i < codes.size(); i += 2) {
    to.write(i + 1 < codes.size() ? static_cast<std::uint32_t>(codes[i + 1]) : 0, 4);
    to.write(static_cast<std::uint32_t>(codes[i]), 4);
  }
}

void read_high_nibble_first(BitReader& from, std::span<std::int32_t> codes) {
  for (std::size_t i = 0; i < codes.size(); i += 2) {
    const std::uint32_t low = from.read(4);
    codes[i] = static_cast<std::int32_t>(from.read(4));
    if (i + 1 < codes.size())
      codes[i + 1] = static_cast<std::int32_t>(low);
    else if (low != 0)
      throw base::UserError(fmt::format("packed numbers: the spare half of the last byte is {}, not 0", low));
  }
}

// The first code is the lowest digit; absent ones at the end are digits of 0.
void write_trits(std::span<const std::int32_t> codes, BitWriter& to) {
  for (std::size_t i = 0; i < codes.size(); i += kTritsOfByte) {
    std::uint32_t byte = 0;
    for (std::size_t j = std::min(codes.size(), i + kTritsOfByte); j-- > i;)
      byte = 3 * byte + static_cast<std::uint32_t>(codes[j] + 1);
    to.write(byte, 8);
  }
}

void read_trits(BitReader& from, std::span<std::int32_t> codes) {
  for (std::size_t i = 0; i < codes.size(); i += kTritsOfByte) {
    const std::uint32_t byte = from.read(8);
    std::uint32_t left = byte;
    for (std::size_t j = i; j < std::min(codes.size(), i + kTritsOfByte); ++j, left /= 3)
      codes[j] = static_cast<std::int32_t>(left % 3) - 1;
    // Digits of absent codes, and what is beyond five digits.
    if (left != 0 || byte >= kTritBytes)
      throw base::UserError(fmt::format("packed numbers: {} does not stand for the ternary codes {} to {}",
                                        byte, i, std::min(codes.size(), i + kTritsOfByte) - 1));
  }
}

void write_codes(const Encoded& encoded, BitWriter& to) {
  const FormatKind kind = encoded.format.row().kind;
  const int bits = encoded.format.element_bits();
  if (kind == FormatKind::ternary) return write_trits(encoded.codes, to);
  if (kind == FormatKind::normal_float) return write_high_nibble_first(encoded.codes, to);
  for (std::int32_t code : encoded.codes)
    to.write(kind == FormatKind::binary ? code > 0 : static_cast<std::uint32_t>(code), bits);
}

void read_codes(BitReader& from, Encoded& encoded) {
  const FormatKind kind = encoded.format.row().kind;
  const int bits = encoded.format.element_bits();
  if (kind == FormatKind::ternary) return read_trits(from, encoded.codes);
  if (kind == FormatKind::normal_float) return read_high_nibble_first(from, encoded.codes);
  const bool is_signed = codes_are_signed(encoded.format);
  for (std::int32_t& code : encoded.codes) {
    const std::uint32_t field = from.read(bits);
    code = kind == FormatKind::binary ? (field != 0 ? 1 : -1)
           : is_signed                ? signed_field(field, bits)
                                      : static_cast<std::int32_t>(field);
  }
}

void write_all(std::span<const std::int32_t> numbers, int bits, BitWriter& to) {
  for (std::int32_t number : numbers) to.write(static_cast<std::uint32_t>(number), bits);
  to.finish();
}

void write_all(std::span<const float> numbers, BitWriter& to) {
  for (float number : numbers) to.write(std::bit_cast<std::uint32_t>(number), 32);
}

void read_all(BitReader& from, int bits, bool is_signed, std::span<std::int32_t> numbers) {
  for (std::int32_t& number : numbers) {
    const std::uint32_t field = from.read(bits);
    number = is_signed ? signed_field(field, bits) : static_cast<std::int32_t>(field);
  }
  from.finish();
}

void read_all(BitReader& from, std::span<float> numbers) {
  for (float& number : numbers) number = std::bit_cast<float>(from.read(32));
}

std::int64_t bytes_of(std::int64_t count, int bits) { return (count * bits + 7) / 8; }

}  // namespace

std::int64_t packed_size(const Encoded& like) {
  const ArraySizes sizes = array_sizes(like);
  const std::int64_t codes = like.format.row().kind == FormatKind::ternary
                                 ? (sizes.codes + kTritsOfByte - 1) / kTritsOfByte
                                 : bytes_of(sizes.codes, like.format.element_bits());
  return codes + 4 * (sizes.scales + sizes.codebook) + bytes_of(sizes.zero_points, zero_point_bits(like)) +
         bytes_of(sizes.block_scales, block_scale_bits(like)) + bytes_of(sizes.pair_shifts, 1);
}

std::vector<std::uint8_t> pack(const Encoded& encoded) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(packed_size(encoded)));
  BitWriter to(bytes);
  write_codes(encoded, to);
  to.finish();
  write_all(encoded.scales, to);
  write_all(encoded.zero_points, zero_point_bits(encoded), to);
  write_all(encoded.codebook, to);
  write_all(encoded.block_scales, block_scale_bits(encoded), to);
  write_all(encoded.pair_shifts, 1, to);
  base::require(std::ssize(bytes) == packed_size(encoded),
                "packed bytes have another number than their layout");
  return bytes;
}

Encoded unpack(std::span<const std::uint8_t> bytes, const Encoded& like) {
  Encoded encoded = allocate(like.format, like.shape, like.options);
  base::require(std::ssize(bytes) == packed_size(encoded),
                "packed bytes have another number than their layout");
  BitReader from(bytes);
  read_codes(from, encoded);
  from.finish();
  read_all(from, encoded.scales);
  read_all(from, zero_point_bits(encoded), encoded.format.row().is_signed, encoded.zero_points);
  read_all(from, encoded.codebook);
  read_all(from, block_scale_bits(encoded), false, encoded.block_scales);
  read_all(from, 1, false, encoded.pair_shifts);
  return encoded;
}

double effective_bits(const Encoded& encoded) {
  return 8.0 * static_cast<double>(packed_size(encoded)) / static_cast<double>(encoded.codes.size());
}

}  // namespace bitsmith::quant
