#pragma once

#include <vector>

#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// L2 norm of all gradients together, summed in double in the order of the parameters. Not finite exactly
/// when one of the gradients is not.
double gradient_norm(const std::vector<Parameter>& parameters);

/// Scales all gradients by limit / norm where `norm`, their norm, is above `limit` (Pascanu et al. 2013); 0:
/// never.
void clip_gradients(std::vector<Parameter>& parameters, double norm, double limit);

}  // namespace bitsmith::trainer
