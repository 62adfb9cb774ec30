#include "hwmodels/stopwatch.hpp"

#include <omp.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

namespace bitsmith::hwmodels {

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double clock_overhead_ns() {
  std::array<std::int64_t, 101> empty;
  for (std::int64_t& taken : empty) {
    const std::int64_t start = now_ns();
    taken = now_ns() - start;
  }
  std::nth_element(empty.begin(), empty.begin() + empty.size() / 2, empty.end());
  return static_cast<double>(empty[empty.size() / 2]);
}

std::int64_t unix_time() { return static_cast<std::int64_t>(std::time(nullptr)); }

PinnedThread::PinnedThread() {
  omp_set_num_threads(1);
  cpu_set_t old;
  static_assert(sizeof old <= sizeof old_mask_);
  const int cpu = sched_getcpu();
  if (cpu < 0 || sched_getaffinity(0, sizeof old, &old) != 0) return;
  std::memcpy(old_mask_, &old, sizeof old);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(cpu), &one);
  pinned_ = sched_setaffinity(0, sizeof one, &one) == 0;
}

PinnedThread::~PinnedThread() {
  if (!pinned_) return;
  cpu_set_t old;
  std::memcpy(&old, old_mask_, sizeof old);
  sched_setaffinity(0, sizeof old, &old);
}

}  // namespace bitsmith::hwmodels
