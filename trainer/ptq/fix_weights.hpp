#pragma once

#include "trainer/network.hpp"

namespace bitsmith::trainer::ptq {

/// Puts the weights of every layer that makes integers of them on their levels, rounded to nearest, and fixes
/// the scales (LayerQuantization::weight_scales). Other formats keep finding their parameters anew. What the
/// network computes stays, to the bit.
void fix_weights(Network& network);

}  // namespace bitsmith::trainer::ptq
