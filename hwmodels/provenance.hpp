#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bitsmith::hwmodels {

/// Where prices come from: all that, when it changes, makes measured prices untrue.
struct Provenance {
  std::string cpu;  ///< model name
  std::int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
  std::string isa;      ///< that the kernels were told to use
  std::string onednn;   ///< version and git hash
  std::string kernels;  ///< names of all kernels, in the order of their tables
  std::string compiler;
  std::string program;  ///< bitsmith's version
  std::string build;    ///< build type, sanitizers, hash of the kernels' sources
  bool operator==(const Provenance&) const = default;
};

/// Of this process on this machine.
Provenance current_provenance();

/// One sentence for each thing that differs, e.g. "CPU: the table's is 'AMD EPYC', this one's is 'Intel
/// Xeon'"; empty when prices measured there hold here.
std::vector<std::string> differences(const Provenance& table, const Provenance& here);
/// Of these, those of the machine: CPU, caches, instruction set. Where there are none, a table is this
/// machine's own, if perhaps of an earlier build.
std::vector<std::string> machine_differences(const Provenance& table, const Provenance& here);

}  // namespace bitsmith::hwmodels
