#pragma once

#include <cstdint>

namespace bitsmith::hwmodels {

/// Nanoseconds of CLOCK_MONOTONIC_RAW, which no time daemon slews.
std::int64_t now_ns();

/// What reading the clock twice takes, the median of many: to be taken off times of single steps.
double clock_overhead_ns();

/// Seconds since 1970 (UTC), for dates in tables.
std::int64_t unix_time();

/// Keeps the compiler from proving that what `pointer` leads to is never read.
inline void keep(const void* pointer) { asm volatile("" : : "g"(pointer) : "memory"); }

/// While alive, the calling thread stays on the CPU on which it was when this was made, and OpenMP (so
/// oneDNN) uses this one thread: a thread that migrates in the middle of a sample loses its caches. Where
/// pinning is not permitted, nothing happens.
class PinnedThread {
 public:
  PinnedThread();
  ~PinnedThread();
  PinnedThread(const PinnedThread&) = delete;
  PinnedThread& operator=(const PinnedThread&) = delete;

 private:
  bool pinned_ = false;
  std::uint64_t old_mask_[16] = {};  ///< a cpu_set_t
};

}  // namespace bitsmith::hwmodels
