#include "hwmodels/canary.hpp"

#include <xmmintrin.h>

#include <algorithm>
#include <cstdint>

#include "hwmodels/measurement.hpp"
#include "hwmodels/stopwatch.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr int kChainSteps = 1 << 18;
constexpr int kVectorSteps = 1 << 16;
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

/// Ten independent chains of multiply, then add: more than either unit needs to be busy all the time.
double time_vectors() {
  constexpr std::size_t chains = 10;
  __m128 values[chains];
  for (std::size_t i = 0; i < chains; ++i) values[i] = _mm_set1_ps(1.0f + static_cast<float>(i));
  const __m128 factor = _mm_set1_ps(0.999f), term = _mm_set1_ps(0.001f);
  const std::int64_t start = now_ns();
  for (int step = 0; step < kVectorSteps; ++step)
    for (__m128& value : values) value = _mm_add_ps(_mm_mul_ps(value, factor), term);
  const double taken = static_cast<double>(now_ns() - start);
  keep(values);
  return taken / (kVectorSteps * static_cast<double>(chains));
}

}  // namespace

CanaryLoops::CanaryLoops() : buffer_(kStreamFloats, 0.5f) {}

Canary CanaryLoops::time() { return {time_chain(), time_stream(buffer_), time_vectors()}; }

Canary present_canary() {
  constexpr int times = 16;
  CanaryLoops loops;
  Canary best = loops.time();
  for (int i = 1; i < times; ++i) {
    const Canary canary = loops.time();
    best.chain_ns = std::min(best.chain_ns, canary.chain_ns);
    best.stream_ns = std::min(best.stream_ns, canary.stream_ns);
    best.vector_ns = std::min(best.vector_ns, canary.vector_ns);
  }
  return best;
}

Canary median_canary(const std::vector<Canary>& canaries) {
  std::vector<double> chain, stream, vectors;
  for (const Canary& canary : canaries) {
    chain.push_back(canary.chain_ns);
    stream.push_back(canary.stream_ns);
    vectors.push_back(canary.vector_ns);
  }
  return canaries.empty() ? Canary{} : Canary{median(chain), median(stream), median(vectors)};
}

}  // namespace bitsmith::hwmodels
