#pragma once

#include <vector>

#include "trainer/network.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"

namespace bitsmith::trainer::ptq {

/// High-bias absorption (Nagel et al. 2019, section 4.1.3): what a channel has practically always, c = max(0,
/// mean - 3 deviations) before a ReLU, mean where there is none, moves from the bias of the layer that gives
/// it into those of the layer that reads it, so that the activation between them has a smaller range. The
/// function stays but for the share (0.13 % of a normal distribution) below c.
///
/// Only where the reader pads nothing: a padded zero stands for 0, no longer for -c, which at the feature
/// maps of small images is most of the border. `outputs` (see fold_batch_norms; scaled by equalize) lose what
/// is absorbed. Returns how many channels had something to absorb.
int absorb_high_biases(Network& network, std::vector<ChannelMoments>& outputs);

}  // namespace bitsmith::trainer::ptq
