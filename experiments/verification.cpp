#include "experiments/verification.hpp"

#include <algorithm>
#include <cmath>

#include "hwmodels/measurement.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/plan.hpp"
#include "trainer/network.hpp"
#include "trainer/qat.hpp"

namespace bitsmith::experiments {
namespace {

constexpr double kRoundNs = 4e6;  // of each policy
constexpr int kLeastRuns = 5;
constexpr int kWarmUpRuns = 3;  // at the start of a round

double since(std::int64_t start) { return static_cast<double>(hwmodels::now_ns() - start); }

/// The samples of one policy: a total per round, and each step's times per round.
class Stopwatch {
 public:
  explicit Stopwatch(Executable& executable)
      : network_(executable.network),
        images_(static_cast<std::size_t>(network_.input().elements() * network_.batch())),
        logits_(static_cast<std::size_t>(network_.outputs() * network_.batch())),
        steps_(network_.steps().size()) {
    base::Rng rng(1);
    for (float& pixel : images_) pixel = static_cast<float>(rng.uniform(-1, 1));
    run();
    const double first = run();
    runs_ = std::max(kLeastRuns, static_cast<int>(kRoundNs / 2 / std::max(first, 1.0)));
  }

  /// `clock`: the machine's clock in this round over the table's. Whole runs and runs step by step take
  /// turns, so that both find the caches alike; the policy before has left them to itself.
  void round(double clock, double overhead_ns) {
    for (int i = 0; i < kWarmUpRuns; ++i) run();
    std::vector<double> totals;
    std::vector<std::vector<double>> each(steps_.size());
    for (int i = 0; i < runs_; ++i) {
      totals.push_back(run() - overhead_ns);
      for (std::size_t step = 0; step < each.size(); ++step) {
        const std::int64_t start = hwmodels::now_ns();
        network_.run_step(static_cast<int>(step), images_.data(), logits_.data());
        each[step].push_back(since(start) - overhead_ns);
      }
    }
    totals_.push_back(hwmodels::median(std::move(totals)) * clock);
    for (std::size_t step = 0; step < each.size(); ++step)
      steps_[step].push_back(hwmodels::median(std::move(each[step])) * clock);
  }

  double total_ns() const { return hwmodels::median(totals_); }
  double step_ns(std::size_t step) const { return hwmodels::median(steps_[step]); }

 private:
  double run() {
    const std::int64_t start = hwmodels::now_ns();
    network_.run(images_.data(), logits_.data());
    return since(start);
  }

  trainer::IntegerNetwork& network_;
  std::vector<float> images_, logits_;
  int runs_ = kLeastRuns;
  std::vector<double> totals_;
  std::vector<std::vector<double>> steps_;
};

VerifiedPolicy compare(const Executable& executable, const Stopwatch& stopwatch,
                       const hwmodels::HostModel& host) {
  const hwmodels::Cost cost = host.price(host.network(), executable.policy);
  const auto& steps = executable.network.steps();
  base::require(cost.steps.size() == steps.size(), "the plan that is priced is the plan that runs");
  VerifiedPolicy row{
      executable.label, executable.policy, cost.totals.front(), stopwatch.total_ns() / 1e6, {}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const int layer = steps[i].layer;
    row.steps.push_back({layer >= 0 ? host.network().layers[static_cast<std::size_t>(layer)].name
                                    : std::string(quant::step_kind_name(steps[i].kind)),
                         layer, cost.steps[i].kernel, 1e3 * cost.steps[i].values.front(),
                         stopwatch.step_ns(i) / 1e3});
  }
  return row;
}

/// Waits, but not for ever, until nobody shares the core's vector units or crowds its caches.
double quiet_vector_ns(hwmodels::CanaryLoops& canary, const hwmodels::Canary& usual) {
  constexpr int most_tries = 20;
  constexpr double slow = 1.15;
  const auto disturbed = [&](const hwmodels::Canary& now) {
    return (usual.vector_ns > 0 && now.vector_ns > slow * usual.vector_ns) ||
           (usual.stream_ns > 0 && now.stream_ns > slow * usual.stream_ns);
  };
  hwmodels::Canary now = canary.time();
  for (int i = 1; i < most_tries && disturbed(now); ++i) now = canary.time();
  return now.vector_ns;
}

/// Activations of up to about 2, whatever the bits: time does not depend on it.
trainer::CalibrationTable made_up_scales(const quant::NetworkInfo& network) {
  constexpr int most = trainer::CalibrationTable::kMaxBits;
  const auto scale = [](int bits) { return 2.0f / static_cast<float>(1 << bits); };
  const auto tensors = static_cast<int>(network.quantize_nodes().size());
  trainer::CalibrationTable table(static_cast<int>(network.layers.size()), tensors);
  for (int layer = 0; layer < table.layers(); ++layer) {
    table.set_signed(layer, network.layers[static_cast<std::size_t>(layer)].input_signed);
    for (int bits = 1; bits <= most; ++bits) table.set(layer, bits, scale(bits));
  }
  for (int tensor = 0; tensor < tensors; ++tensor) table.set_tensor(tensor, scale(most));
  return table;
}

std::vector<double> magnitudes(const Verification& verification) {
  std::vector<double> errors;
  for (const VerifiedPolicy& row : verification.policies) errors.push_back(std::abs(row.error()));
  return errors;
}

}  // namespace

double Verification::median_error() const { return hwmodels::median(magnitudes(*this)); }
double Verification::worst_error() const { return std::ranges::max(magnitudes(*this)); }

Executable make_executable(std::string label, const quant::Policy& policy, const hwmodels::HostModel& host,
                           int batch) {
  trainer::Network network(host.network(), 1, 1);
  trainer::apply_policy(network, policy, made_up_scales(network.info()),
                        {.weight_calibration = quant::Calibration::minmax});
  const quant::Plan plan = quant::lower(network.info(), policy, host);
  return {std::move(label), policy, trainer::IntegerNetwork(network, plan, batch)};
}

Verification verify_latency(const hwmodels::HostModel& host, const hwmodels::Canary& table_canary,
                            std::vector<Executable>& executables, int rounds, std::uint64_t seed,
                            const base::Progress& progress) {
  base::require(!executables.empty() && rounds >= 1, "verify: nothing to execute");
  const hwmodels::PinnedThread pinned;
  const double overhead = hwmodels::clock_overhead_ns();
  hwmodels::CanaryLoops canary;
  std::vector<Stopwatch> stopwatches;
  for (Executable& executable : executables) stopwatches.emplace_back(executable);
  base::Rng rng(base::derive_seed(seed, "verification order"));
  std::vector<double> clocks;
  const int total = rounds * static_cast<int>(executables.size());
  for (int round = 0, done = 0; round < rounds; ++round)
    for (int i : rng.permutation(static_cast<int>(executables.size()))) {
      const double vector = quiet_vector_ns(canary, table_canary);
      const double clock = table_canary.vector_ns > 0 && vector > 0 ? table_canary.vector_ns / vector : 1.0;
      clocks.push_back(clock);
      stopwatches[static_cast<std::size_t>(i)].round(clock, overhead);
      if (progress) progress("execution", ++done, total, executables[static_cast<std::size_t>(i)].label);
    }
  Verification verification;
  verification.batch = executables.front().network.batch();
  verification.rounds = rounds;
  verification.clock = hwmodels::median(std::move(clocks));
  for (std::size_t i = 0; i < executables.size(); ++i)
    verification.policies.push_back(compare(executables[i], stopwatches[i], host));
  return verification;
}

}  // namespace bitsmith::experiments
