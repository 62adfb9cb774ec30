#include "trainer/qat/phases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

bool computes_under(const Network& network, const quant::Policy& policy) {
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    const LayerQuantization& q = network.quantization(static_cast<int>(i));
    if (q.weight_format != policy.layers[i].weight || q.activation_bits != policy.layers[i].activation.code())
      return false;
  }
  return true;
}

}  // namespace

QatPhases::QatPhases(const quant::Policy& policy, const CalibrationTable& table,
                     const quant::QuantizationOptions& options, std::int64_t steps_per_epoch)
    : policy_(policy), table_(table), options_(options), steps_per_epoch_(steps_per_epoch) {}

std::int64_t QatPhases::steps(double epochs) const {
  return std::llround(epochs * static_cast<double>(steps_per_epoch_));
}

quant::Policy QatPhases::policy_at(std::int64_t step) const {
  quant::Policy policy = policy_;
  const std::int64_t length = std::max<std::int64_t>(1, steps(options_.progressive_epochs));
  const auto stage = static_cast<std::size_t>(step / length);
  if (stage >= options_.progressive_bits.size()) return policy;
  const int bits = options_.progressive_bits[stage];
  const auto raise = [bits](quant::Format& format) {
    if (format.is_integer()) format = std::max(format.code(), bits);
  };
  for (quant::LayerFormats& layer : policy.layers) {
    raise(layer.weight);
    raise(layer.activation);
  }
  return policy;
}

bool QatPhases::frozen_at(std::int64_t step) const {
  if (options_.batch_norm == quant::QatBatchNorm::frozen) return true;
  return options_.freeze_batch_norm_epochs > 0 && step >= steps(options_.freeze_batch_norm_epochs);
}

void QatPhases::check(const Network& network) const {
  const std::int64_t length = std::max<std::int64_t>(1, steps(options_.progressive_epochs));
  for (std::size_t stage = 0; stage < options_.progressive_bits.size(); ++stage) {
    Network raised = network.clone();
    apply_policy(raised, policy_at(static_cast<std::int64_t>(stage) * length), table_, options_);
    if (!std::ranges::equal(raised.parameters(), network.parameters(), {}, &Parameter::name,
                            &Parameter::name))
      throw base::UserError(
          fmt::format("quantization.progressive_bits: at {} bits layers that read one tensor share what they "
                      "learn of it, and "
                      "at their own they do not (or the other way round); give them the same bits, choose "
                      "activation_method "
                      "straight_through, or leave progressive_bits out",
                      options_.progressive_bits[stage]));
  }
}

void QatPhases::leave(Network& network) const {
  if (!computes_under(network, policy_)) apply_policy(network, policy_, table_, options_);
  network.freeze_batch_norms(false);
  network.observe_inputs(false);
}

void QatPhases::enter(Network& network, std::int64_t step) const {
  const quant::Policy policy = policy_at(step);
  if (!computes_under(network, policy)) apply_policy(network, policy, table_, options_);
  network.freeze_batch_norms(frozen_at(step));
  network.observe_inputs(step < steps(options_.observer_epochs));
}

}  // namespace bitsmith::trainer
