#pragma once

#include <string>

namespace bitsmith::experiments {

/// Every format, calibration method, granularity and rounding there is, for `bitsmith quantize --list`.
std::string format_list_text();
std::string format_list_json();

}  // namespace bitsmith::experiments
