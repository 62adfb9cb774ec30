#pragma once

#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// The same network with 8-bit integers wherever an addition or an average pooling reads: behind each such
/// tensor a node "NAME.quantize" of Op::quantize, which then everybody reads who read the tensor. What these
/// operations give is fp32 again, unless it is read by one of them in turn, or by a quantized layer alone.
NetworkInfo with_integer_joins(const NetworkInfo& network);

}  // namespace bitsmith::quant
