#pragma once

#include <string>
#include <string_view>

namespace bitsmith::base {

/// `text` as UTF-8 on one line: control characters, backslashes and bytes that are no UTF-8 become \xNN.
/// Different texts stay different. For file names, which may be any bytes.
std::string printable(std::string_view text);

}  // namespace bitsmith::base
