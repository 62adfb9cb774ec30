#include "quant/formats/format.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ostream>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kFp32 = 32;
constexpr double kPackedTernaryBits = 8.0 / 5.0;

using enum FormatKind;
// idempotent, monotone, symmetric, zero_to_zero
constexpr FormatProperties kExact{true, true, true, true};
constexpr FormatProperties kShifted{true, true, false, true};
// A pair with the finer of two steps may keep a number that a larger one of the next pair rounds to below it.
constexpr FormatProperties kPairs{true, false, true, true};
// Draws +1 or -1, which it then keeps: 1 and -1 have probability 1.
constexpr FormatProperties kDrawn{true, false, false, false, false};
// BitNet's scale is the mean of all magnitudes, which decoding changes. NVFP4's smallest block scales are
// subnormal: one that was rounded up by half is found anew from elements that are half as large.
constexpr FormatProperties kNotIdempotent{false, true, true, true};

// clang-format off
constexpr std::array kRows{
    FormatRow{"int", integer, 0, 2, 16, true, true, 0, 0, kExact,
     "signed integers; symmetric and narrow unless told otherwise", "Jacob et al. 2018, arXiv:1712.05877"},
    FormatRow{"uint", integer, 100, 1, 16, true, false, 0, 0, kShifted,
     "unsigned integers with a zero point", "Jacob et al. 2018, arXiv:1712.05877"},
    FormatRow{"pow2_", power_of_two, 200, 2, 8, true, true, 0, 0, kExact,
     "sign and power of two, and zero", "Miyashita et al. 2016, arXiv:1603.01025; Zhou et al. 2017 (INQ)"},
    FormatRow{"quadratic", quadratic, 300, 2, 8, true, true, 0, 0, kExact,
     "levels at the squares of integers: fine near zero, coarse at the ends", "square-law companding; cf. Yamamoto 2021 (LCQ), arXiv:2103.07156"},
    FormatRow{"kmeans", kmeans, 400, 1, 8, true, true, 0, 0, {true, true, false, false},
     "a codebook of 2^bits centroids", "Han et al. 2016 (Deep Compression), arXiv:1510.00149"},
    FormatRow{"binary", binary, 601, 1, 1, false, true, 0, 0, {true, true, false, false},
     "sign times the mean magnitude", "Rastegari et al. 2016 (XNOR-Net), arXiv:1603.05279"},
    FormatRow{"binary_stochastic", binary, 602, 1, 1, false, true, 0, 0, kDrawn,
     "+1 with probability clip((x + 1) / 2, 0, 1), else -1", "Courbariaux et al. 2015 (BinaryConnect), arXiv:1511.00363"},
    FormatRow{"ternary", ternary, 603, 2, 2, false, true, 0, 0, kExact,
     "-1, 0, +1 times the mean of what exceeds 0.7 mean |x|", "Li et al. 2016 (TWN), arXiv:1605.04711"},
    FormatRow{"ttq", ternary, 604, 2, 2, false, true, 0, 0, kExact,
     "-Wn, 0, +Wp beyond 0.05 max |x|; Wp and Wn are the means of what is kept on either side", "Zhu et al. 2017 (TTQ), arXiv:1612.01064"},
    FormatRow{"bitnet", ternary, 605, 2, 2, false, true, 0, 0, kNotIdempotent,
     "round(x / mean |x|) clipped to -1 .. 1, times mean |x|", "Ma et al. 2024 (BitNet b1.58), arXiv:2402.17764"},
    FormatRow{"fp8_e4m3", minifloat, 701, 8, 8, false, true, 0, 0, kExact,
     "floating point, largest 448, no infinity", "OCP 8-bit Floating Point Specification (OFP8) 1.0"},
    FormatRow{"fp8_e5m2", minifloat, 702, 8, 8, false, true, 0, 0, kExact,
     "floating point, largest 57344, with infinity", "OCP 8-bit Floating Point Specification (OFP8) 1.0"},
    FormatRow{"fp6_e3m2", minifloat, 703, 6, 6, false, true, 0, 0, kExact,
     "floating point, largest 28", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"fp6_e2m3", minifloat, 704, 6, 6, false, true, 0, 0, kExact,
     "floating point, largest 7.5", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"fp4_e2m1", minifloat, 705, 4, 4, false, true, 0, 0, kExact,
     "floating point: 0, 0.5, 1, 1.5, 2, 3, 4, 6", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"nf4", normal_float, 711, 4, 4, false, true, 64, 32, {true, true, false, true},
     "16 quantiles of a normal distribution under the block's largest magnitude", "Dettmers et al. 2023 (QLoRA), arXiv:2305.14314"},
    FormatRow{"mxfp8_e4m3", mx, 721, 8, 8, false, true, 32, 8, kExact,
     "fp8_e4m3 under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mxfp8_e5m2", mx, 722, 8, 8, false, true, 32, 8, kExact,
     "fp8_e5m2 under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mxfp6_e3m2", mx, 723, 6, 6, false, true, 32, 8, kExact,
     "fp6_e3m2 under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mxfp6_e2m3", mx, 724, 6, 6, false, true, 32, 8, kExact,
     "fp6_e2m3 under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mxfp4", mx, 725, 4, 4, false, true, 32, 8, kExact,
     "fp4_e2m1 under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mxint8", mx, 726, 8, 8, false, true, 32, 8, kExact,
     "64ths, -127 to 127 of them, under a power-of-two scale for each 32", "OCP Microscaling Formats (MX) 1.0"},
    FormatRow{"mx9", micro_exponent, 731, 8, 8, false, true, 16, 16, kPairs,
     "sign and 7 bits; an exponent for each 16, one bit more for each 2", "Rouhani et al. 2023, arXiv:2302.08007"},
    FormatRow{"mx6", micro_exponent, 732, 5, 5, false, true, 16, 16, kPairs,
     "sign and 4 bits; an exponent for each 16, one bit more for each 2", "Rouhani et al. 2023, arXiv:2302.08007"},
    FormatRow{"mx4", micro_exponent, 733, 3, 3, false, true, 16, 16, kPairs,
     "sign and 2 bits; an exponent for each 16, one bit more for each 2", "Rouhani et al. 2023, arXiv:2302.08007"},
    FormatRow{"nvfp4", nvfp4, 741, 4, 4, false, true, 16, 8, kNotIdempotent,
     "fp4_e2m1 under an fp8_e4m3 scale for each 16 and an fp32 scale for the tensor", "NVIDIA Blackwell; Model Optimizer"},
    FormatRow{"vsq", vector_scaled, 500, 2, 8, true, true, 16, 4, kExact,
     "integers under an integer scale for each 16 and an fp32 scale for each channel", "Dai et al. 2021 (VS-Quant), arXiv:2102.04503"},
};
// clang-format on

bool has_code(const FormatRow& row, int code) {
  return row.numbered ? code >= row.code + row.low_bits && code <= row.code + row.high_bits
                      : code == row.code;
}

const FormatRow* row_of(int code) {
  if (code == 1) code = 2;  // the 1-bit integer is unsigned by context, and of the same family
  for (const FormatRow& row : kRows)
    if (has_code(row, code)) return &row;
  return nullptr;
}

}  // namespace

std::span<const FormatRow> format_rows() { return kRows; }

int Format::element_bits() const {
  if (is_float()) return kFp32;
  const FormatRow& of = row();
  return of.numbered ? code_ - of.code : of.low_bits;
}

double Format::effective_bits() const {
  if (is_float() || is_integer()) return code_;
  const FormatRow& of = row();
  if (of.kind == FormatKind::ternary) return kPackedTernaryBits;
  return element_bits() + (of.block > 0 ? of.scale_bits / of.block : 0.0);
}

const FormatRow& Format::row() const {
  const FormatRow* found = row_of(code_);
  base::require(found != nullptr, "a format that no row has");
  return *found;
}

std::string Format::name() const {
  if (is_float()) return "fp32";
  const FormatRow& of = row();
  return of.numbered ? fmt::format("{}{}", of.name, code_ - of.code) : std::string(of.name);
}

std::strong_ordering operator<=>(Format a, Format b) {
  if (a.code_ == b.code_) return std::strong_ordering::equal;
  const double x = a.effective_bits(), y = b.effective_bits();
  if (x != y) return x < y ? std::strong_ordering::less : std::strong_ordering::greater;
  return a.code_ <=> b.code_;
}

std::ostream& operator<<(std::ostream& out, Format format) { return out << format.name(); }

std::optional<Format> find_format(std::string_view name) {
  if (name == "fp32") return Format(kFp32);
  for (const FormatRow& row : kRows) {
    if (!row.numbered) {
      if (name == row.name) return Format(row.code);
      continue;
    }
    if (!name.starts_with(row.name)) continue;
    const std::string_view digits = name.substr(row.name.size());
    int bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '0') continue;
    if (bits >= row.low_bits && bits <= row.high_bits) return Format(row.code + bits);
  }
  return std::nullopt;
}

std::optional<Format> format_of_code(int code) {
  if (code == kFp32 || row_of(code) != nullptr) return Format(code);
  return std::nullopt;
}

Format format_named(std::string_view name, std::string_view what) {
  if (const auto found = find_format(name)) return *found;
  std::vector<std::string> names;
  for (Format format : all_formats()) names.push_back(format.name());
  for (const FormatRow& row : kRows)
    if (row.numbered && name.starts_with(row.name))
      throw base::UserError(fmt::format("{}: there is no format '{}'; allowed: {}{} to {}{}", what, name,
                                        row.name, row.low_bits, row.name, row.high_bits));
  throw base::UserError(fmt::format("{}: there is no format '{}'{}; bitsmith quantize --list shows all", what,
                                    name, base::did_you_mean(std::string(name), names)));
}

std::vector<Format> all_formats() {
  std::vector<Format> all;
  for (const FormatRow& row : kRows) {
    if (!row.numbered) all.push_back(row.code);
    for (int bits = row.low_bits; row.numbered && bits <= row.high_bits; ++bits)
      all.push_back(row.code + bits);
  }
  return all;
}

}  // namespace bitsmith::quant
