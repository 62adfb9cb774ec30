#pragma once

namespace bitsmith::quant {

/// Where BITSMITH_ISA asks for less than the CPU has, keeps oneDNN to that too (scalar: SSE4.1, the least it
/// knows). oneDNN decides at its first call, so this must come before.
void restrain_onednn();

}  // namespace bitsmith::quant
