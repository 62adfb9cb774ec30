#include <fmt/format.h>

#include "quant/plan.hpp"

namespace bitsmith::quant {

std::string_view storage_name(Storage storage) {
  switch (storage) {
    case Storage::f32: return "f32";
    case Storage::u8: return "u8";
    case Storage::s8: return "s8";
  }
  return "?";
}
}  // namespace bitsmith::quant
