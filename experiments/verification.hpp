#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hwmodels/canary.hpp"
#include "hwmodels/host_model.hpp"
#include "quant/base/progress.hpp"
#include "quant/policy.hpp"
#include "trainer/integer_network.hpp"

namespace bitsmith::experiments {

/// A policy and the network that executes it: the plan that `host` prices.
struct Executable {
  std::string label;
  quant::Policy policy;
  trainer::IntegerNetwork network;
};

/// The plan of `policy` with made-up weights and scales: kernels take the same time whatever the numbers are.
Executable make_executable(std::string label, const quant::Policy& policy, const hwmodels::HostModel& host,
                           int batch);

/// One step, predicted and executed.
struct VerifiedStep {
  std::string name;  ///< the layer's; else what the step does
  int layer = -1;    ///< index in NetworkInfo::layers, or -1
  std::string kernel;
  double predicted_us = 0, measured_us = 0;
};

struct VerifiedPolicy {
  std::string label;
  quant::Policy policy;
  double predicted_ms = 0, measured_ms = 0;
  std::vector<VerifiedStep> steps;
  double error() const {
    return measured_ms / predicted_ms - 1;
  }  ///< signed; 0.02: 2 % slower than predicted
};

struct Verification {
  int batch = 1, rounds = 0;
  double clock = 1;  ///< this machine's clock now over that of the table, by their canaries
  std::vector<VerifiedPolicy> policies;
  double median_error() const;  ///< of the errors' magnitudes
  double worst_error() const;
};

/// Executes all, in random order in each round, on one pinned thread. A policy's time is the median over
/// rounds of the median over a few milliseconds of runs, each round set to the clock of the table by canary
/// loops; a step's likewise, timed inside the network. `table_canary` is the table's median (zeros: unknown).
Verification verify_latency(const hwmodels::HostModel& host, const hwmodels::Canary& table_canary,
                            std::vector<Executable>& executables, int rounds, std::uint64_t seed,
                            const base::Progress& progress = base::no_progress);

std::string verification_text(const Verification& verification);
std::string verification_json(const Verification& verification, const quant::NetworkInfo& network);

}  // namespace bitsmith::experiments
