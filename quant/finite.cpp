#include "quant/finite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::quant {

MinMax finite_min_max(std::span<const float> x, std::string_view name, std::string_view what) {
  const MinMax range = min_max(x.data(), static_cast<std::int64_t>(x.size()));
  if (std::isfinite(range.min) && std::isfinite(range.max)) return range;
  const auto bad = std::ranges::find_if(x, [](float v) { return !std::isfinite(v); });
  throw base::UserError(fmt::format("{}: {} hold {} at element {} of {}; quantization needs finite numbers",
                                    name, what, std::isnan(*bad) ? "NaN" : "infinity", bad - x.begin(),
                                    x.size()));
}

}  // namespace bitsmith::quant
