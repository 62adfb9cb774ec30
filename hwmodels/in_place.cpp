#include "hwmodels/in_place.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "hwmodels/stopwatch.hpp"
#include "quant/arena_plan.hpp"
#include "quant/base/aligned_vector.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/step_kernels.hpp"
#include "quant/serving.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::int64_t kMostWeightBytes = std::int64_t{256} << 20;  // of kernels that are kept ready
constexpr int kLeastRuns = 3, kMostRuns = 64;                       // of a plan, per sample
// A thread on the same core costs half of the vector units; noise is a few percent.
constexpr double kSlowCanary = 1.15;
constexpr int kStorageBits = 8;  // readers of fewer bits have their input clamped
constexpr int kMostRepeats = 4;  // of a plan beside slow canaries: then the machine is like that

/// The kernels that were decided on, layer by layer.
class DecidedKernels final : public quant::KernelChooser {
 public:
  DecidedKernels(const quant::NetworkInfo& network, const std::vector<std::string>& kernels)
      : network_(network), kernels_(kernels) {}
  std::string choose(const quant::LayerInfo& layer, const quant::Step&) const override {
    return kernels_.at(static_cast<std::size_t>(network_.find_layer(layer.name)));
  }

 private:
  const quant::NetworkInfo& network_;
  const std::vector<std::string>& kernels_;
};

/// Layers and steps made ready once, and kept: layers of equal shape have weights of their own.
class ReadySteps {
 public:
  ReadySteps(const quant::NetworkInfo& network, int batch) : network_(network), batch_(batch) {}

  /// Call before a plan's steps are asked for: may forget all.
  void make_room() {
    if (bytes_ <= kMostWeightBytes) return;
    layers_.clear();
    bytes_ = 0;
  }

  quant::PreparedKernel* layer(const quant::Step& step) {
    auto& ready = layers_[{step.layer, step.kernel, step.from, step.to, step.clamped}];
    if (ready) return ready.get();
    const quant::LayerInfo& layer = network_.layers[static_cast<std::size_t>(step.layer)];
    base::Rng rng(base::derive_seed(1, "weights in place", static_cast<std::uint64_t>(step.layer)));
    ready = quant::find_kernel_row(step.kernel)
                ->prepare(layer, step.bits, step.from, step.to, batch_,
                          quant::random_numbers(network_, step, rng));
    bytes_ += ready->weight_bytes();
    return ready.get();
  }

  quant::PreparedStep* other(const quant::Step& step, const std::string& key) {
    auto& ready = others_[key];
    if (!ready) ready = quant::prepare_step(step, batch_, quant::plain_numbers(step));
    return ready.get();
  }

 private:
  const quant::NetworkInfo& network_;
  int batch_;
  std::int64_t bytes_ = 0;
  std::map<std::tuple<int, std::string, quant::Storage, quant::Storage, bool>,
           std::unique_ptr<quant::PreparedKernel>>
      layers_;
  std::map<std::string, std::unique_ptr<quant::PreparedStep>> others_;
};

/// An entry's samples so far. Only plans count that have no more layers on floats than the step's own plan: a
/// network that is all integers shall not be priced beside activations of four times the size.
struct Wanted {
  Timing timing;
  int most_floats = 0;
};

int float_layers(const quant::Policy& policy) {
  return static_cast<int>(
      std::ranges::count(policy.layers, quant::kFloatBits, &quant::LayerFormats::activation));
}

class InPlace {
 public:
  InPlace(const quant::NetworkInfo& network, std::span<const Candidate> candidates, int batch,
          const MeasurementOptions& options)
      : network_(network),
        batch_(batch),
        state_(resident_state(network, batch)),
        options_(options),
        ready_(network, batch),
        images_(static_cast<std::size_t>(network.nodes.front().output.elements()) *
                static_cast<std::size_t>(batch)),
        logits_(static_cast<std::size_t>(network.nodes.back().output.elements()) *
                static_cast<std::size_t>(batch)) {
    for (const Candidate& candidate : candidates)
      if (candidate.row != nullptr) kernels_of_[candidate.key.step].push_back(&candidate);
    base::Rng rng(base::derive_seed(options.seed, "images in place"));
    for (float& pixel : images_) pixel = static_cast<float>(rng.uniform(-1, 1));
  }

  /// One sample for each of the plan's steps whose key is wanted; how many of them it was.
  int sample(const CatalogStep& target, std::map<EntryKey, Wanted>& wanted) {
    floats_ = float_layers(target.policy);
    const std::vector<Call> calls = prepare(target, wanted);
    for (int repeat = 0;; ++repeat) {
      std::vector<std::vector<double>> times(calls.size());
      const Canary canary = canary_.time();
      const int runs = runs_for(calls);
      for (int run = 0; run < runs; ++run) time_steps(calls, &times);
      const double usual = canaries_.empty() ? canary.vector_ns : median_canary(canaries_).vector_ns;
      if (canary.vector_ns > kSlowCanary * usual && repeat < kMostRepeats) continue;
      canaries_.push_back(canary);
      return keep_samples(calls, times, runs, wanted);
    }
  }

  std::vector<Canary>& canaries() { return canaries_; }

 private:
  struct Call {
    EntryKey key;
    quant::PreparedKernel* layer = nullptr;
    quant::PreparedStep* other = nullptr;
    const void* in = nullptr;
    const void* second = nullptr;
    void* out = nullptr;
  };

  /// Of a layer's candidates the one whose entry has the fewest samples, wanted ones first; of equals the one
  /// that ran least. `of_8_bits`: of those that read 8 bits, as the layer before writes them. `of_floats`: of
  /// those with fp32 weights: the plan of a network that is not quantized at all has other steps, and decoded
  /// weights have no other kernel.
  const Candidate& least_sampled(const std::string& step_key, bool of_8_bits, bool of_floats,
                                 const std::map<EntryKey, Wanted>& wanted) {
    const auto rank = [&](const Candidate* kernel) {
      EntryKey key = kernel->key;
      key.state = state_;
      const auto found = wanted.find(key);
      const int samples =
          found == wanted.end() ? options_.samples : static_cast<int>(found->second.timing.samples_us.size());
      const bool unfit = (of_8_bits && kernel->key.bits.activation != kStorageBits) ||
                         (of_floats && kernel->key.bits.weight != quant::kFloatBits);
      return std::tuple(unfit, samples, runs_[kernel]);
    };
    const Candidate* least = std::ranges::min(kernels_of_.at(step_key), {}, rank);
    ++runs_[least];
    return *least;
  }

  /// The target's layer is free to read any bits; the others keep reading 8 or fewer, which decides how the
  /// layers before them end.
  std::vector<Call> prepare(const CatalogStep& target, const std::map<EntryKey, Wanted>& wanted) {
    quant::Policy policy = target.policy;
    std::vector<std::string> kernels(network_.layers.size());
    std::vector<quant::LayerBits> timed(network_.layers.size());
    const bool all_floats = !policy.quantizes();
    for (const quant::Step& step : quant::lower(network_, policy).steps) {
      if (step.kind != quant::StepKind::layer) continue;
      const auto layer = static_cast<std::size_t>(step.layer);
      const int activation = step.bits.activation;
      const bool is_target = target.step.kind == quant::StepKind::layer && target.step.layer == step.layer;
      const bool decoded = quant::is_decoded(policy.layers[layer].weight);
      const Candidate& chosen = least_sampled(
          step.shape_key(network_), activation == kStorageBits && !is_target, all_floats || decoded, wanted);
      kernels[layer] = chosen.row->name;
      timed[layer] = chosen.key.bits;
      if (decoded) continue;
      policy.layers[layer] = quant::formats_served_by(chosen.key.bits);
      if (activation < kStorageBits)
        policy.layers[layer].activation = std::min(chosen.key.bits.activation, kStorageBits - 1);
    }
    const quant::Plan plan = quant::lower(network_, policy, DecidedKernels(network_, kernels));
    const quant::ArenaPlan layout = quant::plan_arena(plan.steps, batch_);
    if (static_cast<std::int64_t>(arena_.size()) < layout.bytes)
      arena_.resize(static_cast<std::size_t>(layout.bytes));
    const auto source = [&](int step) -> const void* {
      if (step == quant::Step::kNothing) return nullptr;
      if (step == quant::Step::kNetworkInput) return images_.data();
      return arena_.data() + layout.offset[static_cast<std::size_t>(step)];
    };
    ready_.make_room();
    std::vector<Call> calls;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const quant::Step& step = plan.steps[i];
      Call call;
      std::string key = step.shape_key(network_);
      if (step.kind == quant::StepKind::layer) {
        call.layer = ready_.layer(step);
        call.key = entry_key(std::move(key), step.kernel, timed[static_cast<std::size_t>(step.layer)], batch_,
                             state_);
      } else {
        call.other = ready_.other(step, key);
        call.key = entry_key(std::move(key), std::string(quant::step_kernel_name(step.kind)),
                             quant::LayerBits{}, batch_, state_);
      }
      call.in = source(step.first);
      call.second = source(step.second);
      call.out = layout.offset[i] < 0 ? static_cast<void*>(logits_.data()) : arena_.data() + layout.offset[i];
      calls.push_back(std::move(call));
    }
    return calls;
  }

  /// Runs the plan; adds what each step took to `times`, if there are any.
  void time_steps(const std::vector<Call>& calls, std::vector<std::vector<double>>* times) const {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const Call& call = calls[i];
      const std::int64_t start = now_ns();
      if (call.layer != nullptr)
        call.layer->run(call.in, call.out);
      else
        call.other->run(call.in, call.second, call.out);
      if (times != nullptr)
        (*times)[i].push_back(std::max(0.0, static_cast<double>(now_ns() - start) - clock_ns_));
    }
  }

  /// Brings everything to where the network keeps it.
  int runs_for(const std::vector<Call>& calls) const {
    time_steps(calls, nullptr);
    const std::int64_t start = now_ns();
    time_steps(calls, nullptr);
    const double taken_ms = static_cast<double>(now_ns() - start) / 1e6;
    const double needed = options_.sample_ms / std::max(taken_ms, 1e-6);
    return static_cast<int>(std::clamp(needed, double{kLeastRuns}, double{kMostRuns}));
  }

  int keep_samples(const std::vector<Call>& calls, std::vector<std::vector<double>>& times, int runs,
                   std::map<EntryKey, Wanted>& wanted) const {
    int kept = 0;
    std::set<EntryKey> seen;  // one sample per plan, however many layers are of one shape
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto found = wanted.find(calls[i].key);
      if (found == wanted.end() || floats_ > found->second.most_floats) continue;
      if (std::ssize(found->second.timing.samples_us) >= options_.samples) continue;
      if (!seen.insert(calls[i].key).second) continue;
      std::vector<double> all = std::move(times[i]);
      for (std::size_t j = i + 1; j < calls.size(); ++j)
        if (calls[j].key == calls[i].key) all.insert(all.end(), times[j].begin(), times[j].end());
      found->second.timing.samples_us.push_back(middle_mean(std::move(all)) / 1e3);
      found->second.timing.runs_per_sample = runs;
      ++kept;
    }
    return kept;
  }

  const quant::NetworkInfo& network_;
  int batch_;
  CacheState state_;
  const MeasurementOptions& options_;
  ReadySteps ready_;
  std::map<std::string, std::vector<const Candidate*>> kernels_of_;
  std::map<const Candidate*, int> runs_;
  std::vector<float> images_, logits_;
  base::AlignedVector<std::byte> arena_;
  const double clock_ns_ = clock_overhead_ns();
  int floats_ = 0;  ///< layers of the present plan that read floats
  CanaryLoops canary_;
  std::vector<Canary> canaries_;
};

/// The steps of the catalog, and for each the keys that only its plans are sure to have.
struct Target {
  const CatalogStep* step;
  std::vector<EntryKey> keys;
};

std::vector<Target> targets_of(const StepCatalog& catalog, std::span<const EntryKey> keys) {
  std::map<std::string, std::vector<EntryKey>> by_step;
  for (const EntryKey& key : keys) by_step[key.step].push_back(key);
  std::vector<Target> targets;
  std::vector<const CatalogStep*> steps;
  for (const auto* list : {&catalog.layers, &catalog.others})
    for (const CatalogStep& step : *list) steps.push_back(&step);
  std::ranges::stable_sort(steps, {}, [](const CatalogStep* step) { return float_layers(step->policy); });
  for (const CatalogStep* step : steps) {
    const auto found = by_step.find(step->key);
    if (found == by_step.end()) continue;
    targets.push_back({step, std::move(found->second)});
    by_step.erase(found);
  }
  base::require(by_step.empty(), "an entry of no step in the catalog");
  return targets;
}

}  // namespace

InPlaceMeasurement measure_in_place(const quant::NetworkInfo& network, const StepCatalog& catalog,
                                    std::span<const Candidate> candidates, std::span<const EntryKey> keys,
                                    const MeasurementOptions& options,
                                    const std::function<void(int, int)>& progress) {
  InPlaceMeasurement result;
  if (keys.empty()) return result;
  const PinnedThread pinned;
  InPlace network_in_place(network, candidates, keys.front().batch, options);
  const std::vector<Target> targets = targets_of(catalog, keys);
  base::Rng rng(base::derive_seed(options.seed, "order in place"));

  std::map<EntryKey, Wanted> wanted;
  for (const Target& target : targets)
    for (const EntryKey& key : target.keys) wanted[key].most_floats = float_layers(target.step->policy);
  const auto lacks = [&](const EntryKey& key) {
    const auto found = wanted.find(key);
    return found != wanted.end() && std::ssize(found->second.timing.samples_us) < options.samples;
  };
  int done = 0, total = static_cast<int>(keys.size()) * options.samples;
  for (int attempt = 1; !wanted.empty(); ++attempt) {
    for (bool any = true; any;) {
      any = false;
      for (const int i : rng.permutation(static_cast<int>(targets.size()))) {
        const Target& target = targets[static_cast<std::size_t>(i)];
        if (std::ranges::none_of(target.keys, lacks)) continue;
        const int samples = network_in_place.sample(*target.step, wanted);
        base::require(samples > 0, "a plan of the catalog lacks its step");
        done += samples;
        any = true;
        if (progress) progress(std::min(done, total), total);
      }
    }
    for (auto next = wanted.begin(); next != wanted.end();) {
      Timing& timing = next->second.timing;
      timing.attempts = attempt;
      Timing& best = result.timings[next->first];
      if (best.samples_us.empty() || timing.spread() < best.spread()) best = timing;
      best.attempts = attempt;
      timing.samples_us.clear();
      next = best.spread() <= options.max_spread || attempt == options.max_attempts ? wanted.erase(next)
                                                                                    : std::next(next);
    }
    total = done + static_cast<int>(wanted.size()) * options.samples;
  }
  if (progress) progress(total, total);
  result.canaries = std::move(network_in_place.canaries());
  return result;
}

}  // namespace bitsmith::hwmodels
