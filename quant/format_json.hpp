#pragma once

#include "quant/policy.hpp"

namespace bitsmith::quant {

/// A format in JSON: its bits (32 for fp32), or its name where it is no integer.
template <class Json>
Json format_json(Format format) {
  return format.is_integer() || format.is_float() ? Json(format.code()) : Json(format.name());
}

/// A layer's formats as programs of users are asked about them: `weight_bits` and `activation_bits` are
/// always numbers, effective bits where weights are no integers, and `weight_format` then names the format.
template <class Json>
void put_bits(LayerFormats formats, Json& layer) {
  const bool has_bits = formats.weight.is_integer() || formats.weight.is_float();
  layer["weight_bits"] = has_bits ? Json(formats.weight.code()) : Json(formats.weight.effective_bits());
  layer["activation_bits"] = formats.activation.code();
  if (!has_bits) layer["weight_format"] = formats.weight.name();
}

}  // namespace bitsmith::quant
