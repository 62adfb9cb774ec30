#pragma once

#include <string>
#include <string_view>
#include <variant>

namespace bitsmith::experiments {

/// An upper bound on one metric of the hardware.
struct Constraint {
  std::string name;    ///< size, bops, latency, or a metric of the user's hardware program
  double value = 0.0;  ///< relative: factor of uniform 8 bit; else in the metric's own unit (KiB, G, ms)
  bool relative = false;

  bool operator==(const Constraint&) const = default;
  /// The name of the cost model's metric: size_kib, gbops, latency_ms, or `name` itself.
  std::string metric() const;
  /// "0.5x", "1.25 ms": what parse_constraint() reads.
  std::string text() const;
  /// The bound in the metric's unit, given what uniform 8 bit costs.
  double absolute(double uniform_8_bit_cost) const { return relative ? value * uniform_8_bit_cost : value; }
};

/// Reads "0.5x" (of uniform 8 bit) or a number with a unit: B, KiB, MiB for size; M, G, T (or MBOPs, GBOPs,
/// TBOPs) for bops; us, ms, s for latency; any other metric has the unit its program gives it, so its number
/// stands alone. The alternative is what is wrong, as "got ..., allowed ...".
std::variant<Constraint, std::string> parse_constraint(std::string_view name, std::string_view text);

}  // namespace bitsmith::experiments
