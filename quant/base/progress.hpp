#pragma once

#include <functional>
#include <string_view>

namespace bitsmith::base {

/// How long work reports itself: libraries call it, the program decides what is shown. `done` of `total`
/// units
/// ("episode", "epoch") are finished; `note` is a short figure ("val 91.2 %").
using Progress = std::function<void(std::string_view unit, double done, double total, std::string_view note)>;

inline void no_progress(std::string_view, double, double, std::string_view) {}

}  // namespace bitsmith::base
