#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "quant/formats/slicing.hpp"

namespace bitsmith::quant {

/// The numbers to encode, float32 or float64, borrowed. Elements come out as double, which holds both
/// exactly; what the published implementations round (ranges, scales, quotients) is rounded to the numbers'
/// own precision, so that the codes are theirs in either.
class Values {
 public:
  explicit Values(std::span<const float> x) : single_(x), is_single_(true) {}
  explicit Values(std::span<const double> x) : double_(x), is_single_(false) {}

  std::size_t size() const { return is_single_ ? single_.size() : double_.size(); }
  double operator[](std::size_t i) const { return is_single_ ? double{single_[i]} : double_[i]; }

  double rounded(double x) const { return is_single_ ? static_cast<double>(static_cast<float>(x)) : x; }
  /// x / y, both of this precision, rounded once: float division is double division rounded to float.
  double quotient(double x, double y) const { return rounded(x / y); }

  /// The elements of a slice, in order.
  std::vector<double> slice(const Slices& slices, std::int64_t slice) const {
    std::vector<double> part(static_cast<std::size_t>(slices.length(slice)));
    slices.visit(slice, [&](std::int64_t from, std::int64_t at) {
      part[static_cast<std::size_t>(at)] = (*this)[static_cast<std::size_t>(from)];
    });
    return part;
  }

 private:
  std::span<const float> single_;
  std::span<const double> double_;
  bool is_single_;
};

/// Of finite elements; 0 where there is none.
inline double max_magnitude(std::span<const double> x) {
  double largest = 0;
  for (double v : x)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  return largest;
}

inline double mean_magnitude(std::span<const double> x) {
  double sum = 0;
  for (double v : x) sum += std::abs(v);
  return sum / static_cast<double>(x.size());
}

/// `scale` kept finite and normal in float32, so that quotients stay finite; 1 for 0, so that a slice of
/// zeros comes back as zeros.
inline double usable_scale(double scale) {
  if (scale == 0) return 1;
  return std::clamp(scale, double{std::numeric_limits<float>::min()},
                    double{std::numeric_limits<float>::max()});
}

/// A finite product as float32: rounding may carry the largest numbers past the largest float.
inline float finite_float(double x) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kLargest, kLargest));
}

}  // namespace bitsmith::quant
