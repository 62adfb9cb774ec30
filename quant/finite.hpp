#pragma once

#include <span>
#include <string_view>

#include "quant/fake_quantize.hpp"

namespace bitsmith::quant {

/// Smallest and largest element; {0, 0} of nothing. Throws UserError for NaN and infinity, one of which would
/// ruin every range: "NAME: WHAT hold NaN at element 5 of 16; ...".
MinMax finite_min_max(std::span<const float> x, std::string_view name, std::string_view what);

}  // namespace bitsmith::quant
