#pragma once

#include <cstdint>

#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "trainer/network.hpp"
#include "trainer/qat.hpp"

namespace bitsmith::trainer {

/// What changes while a network trains under quantization, a function of the step alone, so that a training
/// that goes on from a checkpoint goes on as it was: bits that fall towards the policy's
/// (progressive_bits), batch norms that freeze, ranges that are observed for a while. Refers to its
/// arguments.
class QatPhases {
 public:
  QatPhases(const quant::Policy& policy, const CalibrationTable& table,
            const quant::QuantizationOptions& options, std::int64_t steps_per_epoch);

  /// Before training, under the policy: throws UserError where a stage would learn other numbers than the
  /// policy (layers that share a tensor at 8 bits, and not at their own), which no optimiser can follow.
  void check(const Network& network) const;
  /// Before the training step of that number; the network computes under the policy, or a stage of it.
  void enter(Network& network, std::int64_t step) const;
  /// After the last step: under the policy itself, whatever stage the training ended in; nothing is frozen or
  /// observed any more.
  void leave(Network& network) const;
  /// The policy that the step trains.
  quant::Policy policy_at(std::int64_t step) const;
  /// Whether batch norms are frozen then: what has been trained with its running statistics keeps them.
  bool frozen_at(std::int64_t step) const;

 private:
  std::int64_t steps(double epochs) const;

  const quant::Policy& policy_;
  const CalibrationTable& table_;
  const quant::QuantizationOptions& options_;
  std::int64_t steps_per_epoch_;
};

}  // namespace bitsmith::trainer
