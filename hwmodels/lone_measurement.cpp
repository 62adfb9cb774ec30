#include "hwmodels/lone_measurement.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "hwmodels/stopwatch.hpp"
#include "hwmodels/subjects.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::size_t kGroup = 128;
constexpr std::int64_t kGroupBytes = std::int64_t{1} << 30;
constexpr std::int64_t kColdBytes = std::int64_t{4} << 20;  // of copies per kernel: 512 MiB per group
constexpr std::uint64_t kSeed = 1;                          // of operands; prices do not depend on it

std::int64_t largest_elements(const Candidate& candidate) {
  const quant::Step& step = candidate.step;
  std::int64_t elements =
      std::max({step.input.elements(), step.second_input.elements(), step.output.elements()});
  if (step.kind == quant::StepKind::layer)
    elements = std::max({elements, candidate.layer().input.elements(), candidate.layer().output.elements()});
  return elements * candidate.key.batch;
}

/// Of a candidate that is ready to be timed: there are always two.
std::int64_t weight_bytes(const Candidate& candidate) {
  if (candidate.row == nullptr) return 0;
  const std::int64_t bytes_each = candidate.step.bits.weight == quant::kFloatBits ? 4 : 1;
  return 2 * bytes_each * candidate.layer().weights();
}

/// The first candidates, at least one, that are timed together.
std::span<const Candidate> first_group(std::span<const Candidate> candidates) {
  std::size_t count = 0;
  std::int64_t bytes = 0;
  while (count < std::min(kGroup, candidates.size())) {
    bytes += weight_bytes(candidates[count]);
    if (count > 0 && bytes > kGroupBytes) break;
    ++count;
  }
  return candidates.first(count);
}

/// `progress` gets the share of the work that is done.
MeasuredCount measure_group(std::span<const Candidate> group, const MeasurementOptions& options,
                            LatencyTable& table, const std::function<void(double)>& progress) {
  constexpr double preparation = 0.5;  // of the work; of large layers more, of small ones less

  Activations activations(kSeed);
  for (const Candidate& candidate : group) activations.reserve(largest_elements(candidate));
  std::vector<std::unique_ptr<Subject>> owners;
  std::vector<Subject*> subjects;
  for (std::size_t i = 0; i < group.size(); ++i) {
    owners.push_back(make_subject(group[i], activations, kColdBytes, base::derive_seed(kSeed, "weights", i)));
    subjects.push_back(owners.back().get());
    progress(preparation * static_cast<double>(i + 1) / static_cast<double>(group.size()));
  }
  const Measurement measured = measure(
      subjects, options, [&](int done, int of) { progress(preparation + (1 - preparation) * done / of); });
  const std::int64_t date = unix_time();
  MeasuredCount count;
  for (std::size_t i = 0; i < group.size(); ++i) {
    for (EntryKey& key : lone_keys(group[i])) {
      const bool cold = key.state == CacheState::cold;
      const Timing& timing = cold ? measured.cold[i] : measured.warm[i];
      count.noisy += !cold && timing.spread() > options.max_spread;
      table.set(std::move(key), entry_of(timing, date));
      ++count.entries;
    }
  }
  table.canaries.insert(table.canaries.end(), measured.canaries.begin(), measured.canaries.end());
  return count;
}

}  // namespace

std::vector<EntryKey> lone_keys(const Candidate& candidate) {
  std::vector<EntryKey> keys = {candidate.key};
  if (candidate.row == nullptr) return keys;
  keys.push_back(candidate.key);
  keys.back().state = CacheState::cold;
  return keys;
}

MeasuredCount measure_alone(std::span<const Candidate> candidates, const MeasurementOptions& options,
                            LatencyTable& table, const std::function<void()>& checkpoint,
                            const std::function<void(double)>& progress) {
  MeasuredCount total;
  double reached = 0;  // what is measured again is no step back
  if (!candidates.empty()) progress(reached);
  for (std::size_t first = 0; first < candidates.size();) {
    const auto group = first_group(candidates.subspan(first));
    MeasurementOptions of_group = options;
    of_group.seed = base::derive_seed(options.seed, "group", first);
    const MeasuredCount count = measure_group(group, of_group, table, [&](double share) {
      reached = std::max(reached, static_cast<double>(first) + static_cast<double>(group.size()) * share);
      progress(reached);
    });
    total.entries += count.entries;
    total.noisy += count.noisy;
    first += group.size();
    checkpoint();
  }
  return total;
}

}  // namespace bitsmith::hwmodels
