#pragma once

#include <cstdint>
#include <optional>

#include "quant/formats/format.hpp"

namespace bitsmith::quant {

std::optional<int> largest_integer_level(Format format);
std::int8_t integer_level(Format format, int code);
float integer_step(Format format);

}  // namespace bitsmith::quant
