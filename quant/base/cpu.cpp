#include "quant/base/cpu.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::base {
namespace {

bool cpu_has(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (isa) {
    case Isa::scalar:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return cpu_has(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
             __builtin_cpu_supports("avx512vpopcntdq");
  }
  return false;
#else
  return isa == Isa::scalar;
#endif
}

/// Of the data cache of that level which the first core uses, as the kernel says; else `otherwise`, where
/// sysconf may count the caches of all cores together.
long cache_bytes(int wanted_level, long otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    std::string type, size;
    int level = 0;
    if (!(std::ifstream(folder + "type") >> type) || !(std::ifstream(folder + "level") >> level) ||
        !(std::ifstream(folder + "size") >> size))
      continue;
    if (type == "Instruction" || level != wanted_level) continue;
    const long count = std::strtol(size.c_str(), nullptr, 10);
    const long unit = size.ends_with('K') ? 1L << 10 : size.ends_with('M') ? 1L << 20 : 1;
    if (count > 0) return count * unit;
  }
  return otherwise;
}

Isa read_selected_isa() {
  const auto available = available_isas();
  const char* wanted = std::getenv("BITSMITH_ISA");
  if (wanted == nullptr || *wanted == '\0') return available.back();
  std::vector<std::string> names;
  for (Isa isa : available) {
    names.emplace_back(isa_name(isa));
    if (names.back() == wanted) return isa;
  }
  throw UserError(fmt::format("BITSMITH_ISA={}: not an instruction set of this CPU; available: {}{}", wanted,
                              join_names(names), did_you_mean(wanted, names)));
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (cpu_has(isa)) isas.push_back(isa);
  return isas;
}

Isa selected_isa() {
  static const Isa isa = read_selected_isa();
  return isa;
}

CpuInfo cpu_info() {
  CpuInfo info;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) {
      info.model = line.substr(std::min(line.size(), line.find(':') + 2));
      break;
    }
  }
  cpu_set_t set;
  info.cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  info.l1d_bytes = cache_bytes(1, sysconf(_SC_LEVEL1_DCACHE_SIZE));
  info.l2_bytes = cache_bytes(2, sysconf(_SC_LEVEL2_CACHE_SIZE));
  info.l3_bytes = cache_bytes(3, sysconf(_SC_LEVEL3_CACHE_SIZE));
  return info;
}

}  // namespace bitsmith::base
