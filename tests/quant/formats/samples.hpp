#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "quant/base/random.hpp"
#include "quant/formats/encoding.hpp"

namespace bitsmith::quant::test {

enum class Shape { normal, laplace, outliers };

inline std::string_view shape_name(Shape shape) {
  return shape == Shape::normal ? "normal" : shape == Shape::laplace ? "Laplace" : "outlier-heavy";
}

/// Numbers of about unit variance; of `outliers` one in a hundred is 20 times as large.
inline std::vector<float> sample(std::size_t n, std::uint64_t seed, Shape shape = Shape::normal) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) {
    double value = rng.normal();
    if (shape == Shape::laplace) {
      const double u = rng.uniform(-0.5, 0.5);
      value = (u < 0 ? 1 : -1) * std::log(1 - 2 * std::abs(u)) / std::sqrt(2.0);
    } else if (shape == Shape::outliers && rng.below(100) == 0) {
      value *= 20;
    }
    v = static_cast<float>(value);
  }
  return x;
}

inline std::vector<std::int64_t> flat(std::size_t n) { return {static_cast<std::int64_t>(n)}; }

inline Encoded encode_flat(const std::vector<float>& x, Format format, const EncodingOptions& options = {}) {
  return encode(x, flat(x.size()), format, options);
}

inline std::vector<float> round_trip(const std::vector<float>& x, Format format,
                                     const EncodingOptions& options = {}) {
  return decode(encode_flat(x, format, options));
}

inline Format named(std::string_view name) { return format_named(name, "test"); }

}  // namespace bitsmith::quant::test
