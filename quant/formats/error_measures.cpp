#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"

namespace bitsmith::quant {

ErrorMeasures measure_error(std::span<const float> x, std::span<const float> y) {
  base::require(x.size() == y.size() && !x.empty(), "errors are between tensors of one size");
  double signal = 0, other = 0, noise = 0, product = 0;
  ErrorMeasures measures;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = x[i], b = y[i], away = a - b;
    signal += a * a;
    other += b * b;
    product += a * b;
    noise += away * away;
    measures.max_error = std::isnan(away) ? away : std::max(measures.max_error, std::abs(away));
  }
  measures.mse = noise / static_cast<double>(x.size());
  measures.sqnr_db = noise == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal / noise);
  if (noise == 0)  // 1 whatever the roots round to
    measures.cosine = 1;
  else if (signal > 0 && other > 0)
    measures.cosine = std::clamp(product / std::sqrt(signal) / std::sqrt(other), -1.0, 1.0);
  return measures;
}

}  // namespace bitsmith::quant
