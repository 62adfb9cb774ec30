#pragma once

#include <string>

#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// Padding of tokens, which are pixels in the order of memory, with others before or behind them: a pad that
/// makes one row of several. The input's pixels are one row to it.
///
/// Throws UserError for more than NetworkBuilder::kLargestWindow pixels to a side, and for an output of more
/// than kMostElements.
Node row_pad(const std::string& name, int from, const Node& input, int before, int after, float value = 0);

/// How a pad sees its input: as it is, or as one row.
Shape padded_input(const Node& pad, const Shape& input);

}  // namespace bitsmith::quant
