#pragma once

#include "experiments/pipeline/comparison.hpp"
#include "experiments/pipeline/pricing.hpp"
#include "experiments/results.hpp"
#include "trainer/data/data.hpp"

namespace bitsmith::experiments {

/// Lowers the winner to integers and runs it: its accuracy on the test images beside that of the simulation,
/// its latency beside the predicted one and beside uniform 8 bit (where this host is priced), and the model
/// as a file beside the results, x.bsm. Without a network that was trained here there is no model, and the
/// latency is that of made-up weights.
void deploy_winner(const Contest& contest, const Pricing& pricing, const trainer::Data& data,
                   RunResults& results);

}  // namespace bitsmith::experiments
