#include "quant/formats/encoding.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "quant/base/error.hpp"
#include "quant/formats/binary.hpp"
#include "quant/formats/fast_quantize.hpp"
#include "quant/formats/integer_format.hpp"
#include "quant/formats/kmeans_format.hpp"
#include "quant/formats/micro_exponent.hpp"
#include "quant/formats/minifloat.hpp"
#include "quant/formats/minifloat_format.hpp"
#include "quant/formats/mx.hpp"
#include "quant/formats/normal_float.hpp"
#include "quant/formats/nvfp4.hpp"
#include "quant/formats/power_of_two.hpp"
#include "quant/formats/quadratic.hpp"
#include "quant/formats/storage.hpp"
#include "quant/formats/ternary.hpp"
#include "quant/formats/values.hpp"
#include "quant/formats/vector_scaled.hpp"

namespace bitsmith::quant {
namespace {

// `encode` fills in an Encoded from allocate(), whose numbers have been checked; `decode` writes every
// element.
struct Coder {
  FormatKind kind;
  void (*encode)(const Values& x, Encoded& to);
  void (*decode)(const Encoded& from, std::span<float> y);
};

constexpr std::array kCoders{
    Coder{FormatKind::integer, encode_integer, decode_integer},
    Coder{FormatKind::power_of_two, encode_power_of_two, decode_power_of_two},
    Coder{FormatKind::quadratic, encode_quadratic, decode_quadratic},
    Coder{FormatKind::kmeans, encode_kmeans, decode_kmeans},
    Coder{FormatKind::binary, encode_binary, decode_binary},
    Coder{FormatKind::ternary, encode_ternary, decode_ternary},
    Coder{FormatKind::minifloat, encode_scaled_minifloat, decode_scaled_minifloat},
    Coder{FormatKind::normal_float, encode_normal_float, decode_normal_float},
    Coder{FormatKind::mx, encode_mx, decode_mx},
    Coder{FormatKind::micro_exponent, encode_micro_exponent, decode_micro_exponent},
    Coder{FormatKind::nvfp4, encode_nvfp4, decode_nvfp4},
    Coder{FormatKind::vector_scaled, encode_vector_scaled, decode_vector_scaled},
};

const Coder& coder_of(Format format) {
  for (const Coder& coder : kCoders)
    if (coder.kind == format.row().kind) return coder;
  throw base::InternalError("a kind of format that nothing encodes");
}

bool takes_nan(Format format) {
  const FormatKind kind = format.row().kind;
  return kind == FormatKind::mx || (kind == FormatKind::minifloat && minifloat_of(format).nan >= 0);
}

bool takes_infinity(Format format) {
  const FormatKind kind = format.row().kind;
  return kind == FormatKind::mx || kind == FormatKind::minifloat;
}

void refuse_strange_numbers(const Values& x, Format format) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  const auto refuse = [&](std::size_t i, std::string_view what) {
    throw base::UserError(fmt::format("{}: element {} of {} is {}; the format holds finite numbers",
                                      format.name(), i, x.size(), what));
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      if (!takes_nan(format)) refuse(i, "NaN");
    } else if (std::isinf(x[i])) {
      if (!takes_infinity(format)) refuse(i, "infinity");
    } else if (std::abs(x[i]) > kLargest) {
      refuse(i, fmt::format("{:g}, beyond float32", x[i]));
    }
  }
}

Encoded encode_values(const Values& x, std::span<const std::int64_t> shape, Format format,
                      const EncodingOptions& options) {
  Encoded encoded = allocate(format, shape, options);
  base::require(encoded.codes.size() == x.size(), "a tensor has another number of elements than its shape");
  refuse_strange_numbers(x, format);
  coder_of(format).encode(x, encoded);
  return encoded;
}

}  // namespace

Encoded encode(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
               const EncodingOptions& options) {
  Encoded encoded = allocate(format, shape, options);
  base::require(encoded.codes.size() == x.size(), "a tensor has another number of elements than its shape");
  if (fast_quantize(x, encoded, {.codes = encoded.codes})) return encoded;
  return reference_encode(x, shape, format, options);
}

Encoded reference_encode(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
                         const EncodingOptions& options) {
  return encode_values(Values(x), shape, format, options);
}

Encoded encode(std::span<const double> x, std::span<const std::int64_t> shape, Format format,
               const EncodingOptions& options) {
  return encode_values(Values(x), shape, format, options);
}

std::vector<float> decode(const Encoded& encoded) {
  std::vector<float> y(encoded.codes.size());
  return fast_decode(encoded, y) ? y : reference_decode(encoded);
}

std::vector<float> reference_decode(const Encoded& encoded) {
  std::vector<float> y(encoded.codes.size());
  coder_of(encoded.format).decode(encoded, y);
  return y;
}

}  // namespace bitsmith::quant
