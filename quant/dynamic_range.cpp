#include "quant/dynamic_range.hpp"

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/finite.hpp"

namespace bitsmith::quant {

AffineParameters dynamic_u8(std::span<const float> batch, std::string_view name) {
  const MinMax seen = finite_min_max(batch, name, "activations");
  return affine_parameters_from_nearer_end({std::min(seen.min, 0.0f), std::max(seen.max, 0.0f)},
                                           integer_range(8, false));
}

std::vector<float> dynamic_s8_per_token(std::span<const float> rows, std::int64_t tokens,
                                        std::string_view name) {
  base::require(tokens > 0 && static_cast<std::int64_t>(rows.size()) % tokens == 0,
                "dynamic_s8_per_token: rows of equal length");
  finite_min_max(rows, name, "activations");
  const std::int64_t width = static_cast<std::int64_t>(rows.size()) / tokens;
  std::vector<float> scales;
  for (std::int64_t token = 0; token < tokens; ++token)
    scales.push_back(scale_of_threshold(max_abs(rows.data() + token * width, width), integer_range(8, true)));
  return scales;
}

}  // namespace bitsmith::quant
