#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "trainer/data/data_part.hpp"

namespace bitsmith::experiments {

/// RFC 4180: image, class, probability; a line per image. `logits` (images x classes) are of the first
/// images; of equal ones the lower class is taken. Classes are named where the model knows their names, else
/// counted.
std::string predictions_csv(const trainer::DataPart& images, std::span<const float> logits,
                            std::size_t classes);

}  // namespace bitsmith::experiments
