#pragma once

namespace bitsmith::trainer::ptq {

/// The mean of min(max(x, low), high) for a normal x; low may be -infinity, high infinity. The limit where
/// the deviation is 0.
double clipped_normal_mean(double mean, double deviation, double low, double high);

}  // namespace bitsmith::trainer::ptq
