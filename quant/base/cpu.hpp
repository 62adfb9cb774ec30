#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// Instruction sets that kernels are written for, weakest first. avx512 means F, BW, DQ, VL, VNNI and
/// VPOPCNTDQ.
enum class Isa { scalar, avx2, avx512 };

std::string_view isa_name(Isa isa);

/// Those this CPU can run, weakest first; never empty.
std::vector<Isa> available_isas();

/// The strongest available one, or the one named by the environment variable BITSMITH_ISA. Read once.
/// Throws UserError for a name that is unknown or not available, listing those that are.
Isa selected_isa();

struct CpuInfo {
  std::string model;  ///< as the kernel reports it
  int cores = 0;      ///< that this process may use
  long l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
};
CpuInfo cpu_info();

}  // namespace bitsmith::base
