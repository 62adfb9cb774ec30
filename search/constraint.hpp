#pragma once

#include <span>
#include <string>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "quant/network_info.hpp"
#include "search/action_space.hpp"

namespace bitsmith::search {

/// What the user asks for: at most `value` of a metric, in the metric's unit, or as a multiple of what the
/// network costs with every layer at 8 bits (pinned layers as they are pinned).
struct ConstraintSpec {
  std::string metric;  ///< name of one of CostModels::metrics()
  double value = 0.0;  ///< > 0
  bool relative = false;
};

/// The same in the metric's unit.
struct Constraint {
  std::size_t metric = 0;  ///< index in CostModels::metrics()
  std::string name, unit;
  double limit = 0.0;
  double relative_to = 0.0;  ///< what `limit` was a multiple of; 0 where it was absolute

  std::string describe() const;  ///< "size_kib <= 12.5 KiB (0.5x of uniform 8 bit)"
};

/// Prices uniform 8 bit once where a constraint is relative. Throws UserError for an unknown metric (with the
/// nearest and all names), one named twice, and a value that is not finite and positive.
std::vector<Constraint> resolve(std::span<const ConstraintSpec> specs, const quant::NetworkInfo& network,
                                const ActionSpace& space, const hwmodels::CostModels& models);

/// The policy that relative constraints refer to: 8 bits everywhere but in pinned layers.
quant::Policy uniform_8bit(const quant::NetworkInfo& network, const ActionSpace& space);

}  // namespace bitsmith::search
