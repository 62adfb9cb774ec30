#pragma once

namespace bitsmith::trainer {

/// train: batch norm uses the batch's statistics and updates its running ones (momentum 0.1); all is kept for
/// backward. evaluate: running statistics, nothing changes. recalibrate: the batch's statistics, and the
/// running ones become the mean over all batches since Network::reset_running_statistics.
enum class Mode { train, evaluate, recalibrate };

}  // namespace bitsmith::trainer
