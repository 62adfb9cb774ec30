#pragma once

#include "quant/policy.hpp"

namespace bitsmith::quant {

/// A format in JSON: its bits (32 for fp32), or its name where it is no integer.
template <class Json>
Json format_json(Format format) {
  return format.is_integer() || format.is_float() ? Json(format.code()) : Json(format.name());
}

}  // namespace bitsmith::quant
