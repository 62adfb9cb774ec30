#pragma once

#include <vector>

namespace bitsmith::hwmodels {

/// Three loops whose speed depends on the machine's state alone. They are timed with every pass of a
/// measurement and stored beside it: a table whose canaries differ was measured on a machine that was clocked
/// or shared differently (see canary_check).
struct Canary {
  double chain_ns = 0;  ///< one step of a dependent chain of 64-bit integer multiplications (3 cycles on Zen
                        ///< and Core CPUs: the core clock)
  double stream_ns =
      0;  ///< reading and summing one KiB of fp32 out of a 4 MiB buffer (cache bandwidth, neighbours)
  double vector_ns =
      0;  ///< a multiplication and an addition of four fp32 numbers, as many at once as the core can:
          ///< half as fast while another thread of the same core computes, though chain_ns stays
};

/// Runs all loops on the calling thread; about 1 ms. The buffer is allocated once, by the constructor.
class CanaryLoops {
 public:
  CanaryLoops();
  Canary time();

 private:
  std::vector<float> buffer_;
};

/// The machine as it can be just now: each loop's least of a few times; some 20 ms.
Canary present_canary();

/// Each field's median; zeros for an empty list.
Canary median_canary(const std::vector<Canary>& canaries);

}  // namespace bitsmith::hwmodels
