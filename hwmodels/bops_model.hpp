#pragma once

#include <string>

#include "hwmodels/cost_model.hpp"

namespace bitsmith::hwmodels {

/// Metric `gbops`: bit operations per image, sum over layers of MACs * weight_bits * activation_bits, in
/// 10^9; fp32 counts as 32 bits. (The measure of Baskin et al., UNIQ, 2018, and of HAWQ-V3, without UNIQ's
/// accumulator term.)
class BopsModel : public CostModel {
 public:
  std::string name() const override { return "bops"; }
  std::span<const Metric> metrics() const override;
  Cost price(const quant::NetworkInfo& network, const quant::Policy& policy) const override;
  bool is_sum_over_layers() const override { return true; }
  std::string fingerprint() const override { return "bops 1"; }
};

}  // namespace bitsmith::hwmodels
