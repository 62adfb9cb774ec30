#include "hwmodels/canary.hpp"

#include <algorithm>
#include <cstdint>

#include "hwmodels/measurement.hpp"
#include "hwmodels/stopwatch.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr int kChainSteps = 1 << 19;
constexpr std::size_t kStreamFloats = std::size_t{2} << 20;
constexpr std::size_t kLineFloats = 16;
constexpr std::size_t kLanes = 4;  // independent sums: one would be bound by the latency of addition

double time_chain() {
  // An odd multiplier keeps the value from collapsing to zero.
  std::uint64_t value = 0x9e3779b97f4a7c15u;
  const std::int64_t start = now_ns();
  for (int i = 0; i < kChainSteps; ++i) {
    value *= 0xd1342543de82ef95u;
    asm volatile("" : "+r"(value));
  }
  return static_cast<double>(now_ns() - start) / kChainSteps;
}

double time_stream(const std::vector<float>& buffer) {
  float sums[kLanes] = {};
  const std::int64_t start = now_ns();
  // One number of each cache line: more would time the additions, not the caches.
  for (std::size_t i = 0; i < buffer.size(); i += kLanes * kLineFloats)
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += buffer[i + lane * kLineFloats];
  keep(sums);
  const double kib = static_cast<double>(buffer.size() * sizeof(float)) / 1024;
  return static_cast<double>(now_ns() - start) / kib;
}

}  // namespace

CanaryLoops::CanaryLoops() : buffer_(kStreamFloats, 0.5f) {}

Canary CanaryLoops::time() { return {time_chain(), time_stream(buffer_)}; }

Canary median_canary(const std::vector<Canary>& canaries) {
  std::vector<double> chain, stream;
  for (const Canary& canary : canaries) {
    chain.push_back(canary.chain_ns);
    stream.push_back(canary.stream_ns);
  }
  return canaries.empty() ? Canary{} : Canary{median(chain), median(stream)};
}

}  // namespace bitsmith::hwmodels
