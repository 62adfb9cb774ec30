#include "hwmodels/measurement.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "hwmodels/stopwatch.hpp"
#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kMinEvictionBytes = 64 * kMiB, kMaxEvictionBytes = 256 * kMiB;
constexpr std::size_t kLineFloats = 16;
constexpr int kMaxRunsPerSample = 1 << 20;

/// Reads (and dirties) a buffer that no cache level holds together with anything else.
class Evictor {
 public:
  Evictor() {
    const auto cache = static_cast<std::size_t>(std::max(0L, base::cpu_info().l3_bytes));
    buffer_.resize(std::clamp(2 * cache + 8 * kMiB, kMinEvictionBytes, kMaxEvictionBytes) / sizeof(float));
  }
  void evict() {
    for (std::size_t i = 0; i < buffer_.size(); i += kLineFloats) buffer_[i] += 1.0f;
    keep(buffer_.data());
  }

 private:
  std::vector<float> buffer_;
};

double time_runs_us(Subject& subject, int runs) {
  const std::int64_t start = now_ns();
  for (int i = 0; i < runs; ++i) subject.run();
  return static_cast<double>(now_ns() - start) / 1000;
}

void time_copies_us(Subject& subject, double clock_ns, std::vector<double>& times) {
  subject.run();  // activations into cache: cold are the weights alone
  for (int copy = 0; copy < subject.cold_copies(); ++copy) {
    const std::int64_t start = now_ns();
    subject.run_cold(copy);
    times.push_back(std::max(0.0, static_cast<double>(now_ns() - start) - clock_ns) / 1000);
  }
}

int runs_for(Subject& subject, double sample_us) {
  subject.run();
  for (int runs = 1;; runs *= 4) {
    const double taken = time_runs_us(subject, runs);
    if (taken < sample_us / 4 && runs < kMaxRunsPerSample / 4) continue;
    const double needed = std::ceil(runs * sample_us / std::max(taken, 1e-3));
    return static_cast<int>(std::clamp(needed, 1.0, double{kMaxRunsPerSample}));
  }
}

/// A subject in one of its modes, while its samples are taken.
struct Candidate {
  Subject* subject;
  Timing* timing;
  bool cold;
  std::vector<double> samples_us;
  std::vector<double> copies_us = {};  ///< cold: of the sample that is being taken

  void sample() {
    subject->run();
    samples_us.push_back(time_runs_us(*subject, timing->runs_per_sample) / timing->runs_per_sample);
  }
  void add_copies(double clock_ns) { time_copies_us(*subject, clock_ns, copies_us); }
  /// Of the middle ones: main memory makes some wait for others.
  void sample_copies() { samples_us.push_back(middle_mean(std::exchange(copies_us, {}))); }

  /// Keeps the quieter of this attempt and the ones before; whether that is quiet enough.
  bool settle(double max_spread) {
    Timing attempt = *timing;
    attempt.samples_us = std::move(samples_us);
    samples_us.clear();
    ++attempt.attempts;
    if (timing->samples_us.empty() || attempt.spread() < timing->spread())
      *timing = std::move(attempt);
    else
      timing->attempts = attempt.attempts;
    return timing->spread() <= max_spread;
  }
};

/// Calls visit for each candidate, in an order drawn anew.
template <typename Visit>
void each_at_random(const std::vector<Candidate*>& candidates, base::Rng& rng, const Visit& visit) {
  for (int i : rng.permutation(static_cast<int>(candidates.size())))
    visit(*candidates[static_cast<std::size_t>(i)]);
}

}  // namespace

double median(std::vector<double> values) {
  base::require(!values.empty(), "median of nothing");
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double middle_mean(std::vector<double> values) {
  base::require(!values.empty(), "middle of nothing");
  std::sort(values.begin(), values.end());
  const auto left_out = static_cast<std::ptrdiff_t>(values.size() / 4);
  const double sum = std::accumulate(values.begin() + left_out, values.end() - left_out, 0.0);
  return sum / static_cast<double>(std::ssize(values) - 2 * left_out);
}

double Timing::min_us() const {
  base::require(!samples_us.empty(), "minimum of no samples");
  return *std::min_element(samples_us.begin(), samples_us.end());
}

double Timing::median_us() const { return median(samples_us); }

double Timing::spread() const {
  const double least = min_us();
  return least > 0 ? (median_us() - least) / least : 0;
}

Measurement measure(std::span<Subject* const> subjects, const MeasurementOptions& options,
                    const std::function<void(int, int)>& progress) {
  base::require(
      options.samples >= 1 && options.sample_ms > 0 && options.max_attempts >= 1 && options.cold_rounds >= 1,
      "measure: samples, sample_ms, cold_rounds and max_attempts must be positive");
  Measurement result;
  result.warm.resize(subjects.size());
  result.cold.resize(subjects.size());
  if (subjects.empty()) return result;

  const PinnedThread pinned;
  CanaryLoops canary;
  std::vector<Candidate> candidates;
  bool any_cold = false;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    result.warm[i].runs_per_sample = runs_for(*subjects[i], options.sample_ms * 1000);
    candidates.push_back({subjects[i], &result.warm[i], false, {}});
    const int copies = subjects[i]->cold_copies();
    if (copies == 0) continue;
    any_cold = true;
    result.cold[i].runs_per_sample = copies * options.cold_rounds;
    for (int copy = 0; copy < copies; ++copy) subjects[i]->run_cold(copy);  // whatever the first call sets up
    candidates.push_back({subjects[i], &result.cold[i], true, {}});
  }
  std::optional<Evictor> evictor;
  if (any_cold) evictor.emplace();

  const double clock_ns = clock_overhead_ns();
  base::Rng rng(base::derive_seed(options.seed, "measurement order"));
  std::vector<Candidate*> warm, cold;
  for (Candidate& candidate : candidates) (candidate.cold ? cold : warm).push_back(&candidate);
  int done = 0, total = static_cast<int>(candidates.size()) * options.samples;
  for (int attempt = 1;; ++attempt) {
    for (int pass = 0; pass < options.samples; ++pass) {
      result.canaries.push_back(canary.time());
      each_at_random(warm, rng, [](Candidate& candidate) { candidate.sample(); });
      for (int round = 0; round < options.cold_rounds && !cold.empty(); ++round) {
        evictor->evict();
        each_at_random(cold, rng, [&](Candidate& candidate) { candidate.add_copies(clock_ns); });
      }
      for (Candidate* candidate : cold) candidate->sample_copies();
      done += static_cast<int>(warm.size() + cold.size());
      if (progress && pass + 1 < options.samples) progress(done, total);
    }
    std::erase_if(warm, [&](Candidate* candidate) { return candidate->settle(options.max_spread); });
    std::erase_if(cold, [&](Candidate* candidate) { return candidate->settle(options.max_spread); });
    const bool last = attempt == options.max_attempts || (warm.empty() && cold.empty());
    if (!last) total += static_cast<int>(warm.size() + cold.size()) * options.samples;
    if (progress) progress(done, total);  // all are done only when none is to be taken again
    if (last) return result;
  }
}

}  // namespace bitsmith::hwmodels
