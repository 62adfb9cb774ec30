#pragma once

#include <compare>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::quant {

/// How a format's elements get their values: one encoder each (quant/formats/*).
enum class FormatKind {
  integer,  ///< uniform steps: scale and zero point
  power_of_two,
  quadratic,
  kmeans,  ///< a codebook fitted to each slice
  binary,
  ternary,
  minifloat,  ///< 4, 6 or 8-bit floating point under one fp32 scale a slice
  normal_float,
  mx,              ///< minifloats or integers under a power-of-two scale a block (OCP MX)
  micro_exponent,  ///< two levels of shared exponents (MX9, MX6, MX4)
  nvfp4,
  vector_scaled,  ///< integers under two levels of scales (VS-Quant)
};

/// What is true of a format's quantize-dequantize f(x) with default options, parameters found anew from what
/// it is given, for every finite input; the conformance tests hold each row to what it declares.
struct FormatProperties {
  /// f(f(x)) == f(x), to the rounding of scales; of affine integers unless the least value lies halfway
  /// between two levels, where the ends of the range may round to one step less.
  bool idempotent;
  bool monotone;   ///< x <= y in one slice or block gives f(x) <= f(y)
  bool symmetric;  ///< f(-x) == -f(x)
  bool zero_to_zero;
  bool deterministic = true;  ///< false: rounds at random, by a seed
};

/// A row of the table: one format, or a family of them that differ in bits ("int2" .. "int16").
struct FormatRow {
  std::string_view name;  ///< of a family: what its bits are appended to
  FormatKind kind;
  int code;                 ///< of a single format, else the family's code + bits: stable, stored in files
  int low_bits, high_bits;  ///< bits of one element's code; equal where the name has none appended
  bool numbered;            ///< a family
  bool is_signed;
  int block;          ///< elements of the innermost scale; 0: as the granularity says
  double scale_bits;  ///< that the format itself stores for each block, beside fp32 scales of slices
  FormatProperties properties;
  std::string_view what;    ///< one line for people
  std::string_view source;  ///< paper or specification
};

std::span<const FormatRow> format_rows();

/// One number format, by its code: an integer of `code` bits (1..16, with the sign of what it is for, signed
/// where nothing says so), 32 for fp32, or a row's. Orders by effective bits, then by code, so that lists of
/// formats ascend as lists of bits do.
class Format {
 public:
  constexpr Format() = default;
  constexpr Format(int code) : code_(code) {}  // NOLINT: 4 is the 4-bit integer, as it is in policies

  constexpr int code() const { return code_; }
  constexpr bool is_float() const { return code_ == 32; }
  /// A uniform integer of either sign; its bits are element_bits().
  constexpr bool is_integer() const { return code_ >= 1 && code_ <= 16; }
  /// Bits of one element's code, scales not counted.
  int element_bits() const;
  /// Bits per element with the scales that the format stores for each block, but without those of slices
  /// (per tensor, channel or group: their number follows from the shape). Ternary is packed five to a byte:
  /// 1.6.
  double effective_bits() const;
  const FormatRow& row() const;  ///< InternalError for fp32 and unknown codes
  std::string name() const;      ///< "int4", "mxfp4", "fp32"

  friend constexpr bool operator==(Format a, Format b) { return a.code_ == b.code_; }
  friend std::strong_ordering operator<=>(Format a, Format b);
  friend std::ostream& operator<<(std::ostream& out, Format format);  ///< its name

 private:
  int code_ = 32;
};

// Formats that something treats unlike the others of their kind.
inline constexpr Format kBinaryStochastic = 602, kTtq = 604, kBitnet = 605, kMxint8 = 726;
inline constexpr Format kFp8E4m3 = 701, kFp8E5m2 = 702, kFp6E3m2 = 703, kFp6E2m3 = 704, kFp4E2m1 = 705;
inline constexpr Format kMxfp8E4m3 = 721, kMxfp8E5m2 = 722, kMxfp6E3m2 = 723, kMxfp6E2m3 = 724, kMxfp4 = 725;
inline constexpr Format kNvfp4 = 741;

/// By name ("int4", "uint8", "fp32", "mxfp4"), exactly; nothing if there is none.
std::optional<Format> find_format(std::string_view name);
/// By code; nothing if no row has it.
std::optional<Format> format_of_code(int code);
/// Throws UserError that names `what`, the nearest names and where all are listed.
Format format_named(std::string_view name, std::string_view what);

/// Every format but fp32, in the table's order, families written out.
std::vector<Format> all_formats();

}  // namespace bitsmith::quant
