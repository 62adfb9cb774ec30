#pragma once

#include <nlohmann/json_fwd.hpp>

#include "trainer/data/input_form.hpp"

namespace bitsmith::trainer {

/// How images are prepared, and the classes' names, in the description of a deployed model: `color`,
/// `resize`, `crop` and `classes` of its object `input`, each only where there is something to say.
void write_preparation(const InputForm& form, nlohmann::ordered_json& json);
/// Throws UserError for what write_preparation would not write.
void read_preparation(const nlohmann::ordered_json& json, InputForm& form);

}  // namespace bitsmith::trainer
