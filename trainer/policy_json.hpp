#pragma once

#include <string>

#include "trainer/deployed_model.hpp"

namespace bitsmith::trainer {

/// The policy of a deployed model with the numbers behind it, as JSON for other programs; the schema is in
/// experiments/README.md. What the model does not know is null.
std::string policy_json(const DeployedModel& model);

}  // namespace bitsmith::trainer
