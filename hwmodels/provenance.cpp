#include "hwmodels/provenance.hpp"

#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.h>

#include "quant/base/cpu.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::hwmodels {
namespace {

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{} {}", version->major, version->minor, version->patch, version->hash);
}

std::string kernel_names() {
  std::string names;
  const auto add = [&](std::string_view name) { names.append(names.empty() ? "" : ", ").append(name); };
  for (const quant::KernelRow& row : quant::kernel_rows()) add(row.name);
  using quant::StepKind;
  for (StepKind kind : {StepKind::quantize,
                        StepKind::batch_norm,
                        StepKind::relu,
                        StepKind::add,
                        StepKind::max_pool,
                        StepKind::average_pool,
                        StepKind::global_average_pool,
                        StepKind::flatten,
                        StepKind::layer_norm,
                        StepKind::gelu,
                        StepKind::softmax,
                        StepKind::matmul,
                        StepKind::position,
                        StepKind::function,
                        StepKind::prelu,
                        StepKind::multiply,
                        StepKind::concat,
                        StepKind::slice,
                        StepKind::shuffle,
                        StepKind::pad,
                        StepKind::resize})
    add(quant::step_kernel_name(kind));
  return names;
}

}  // namespace

Provenance current_provenance() {
  const base::CpuInfo cpu = base::cpu_info();
  Provenance provenance;
  provenance.cpu = cpu.model;
  provenance.l1d_bytes = cpu.l1d_bytes;
  provenance.l2_bytes = cpu.l2_bytes;
  provenance.l3_bytes = cpu.l3_bytes;
  provenance.isa = base::isa_name(base::selected_isa());
  provenance.onednn = onednn_version();
  provenance.kernels = kernel_names();
#if defined(__clang__)
  provenance.compiler = "clang " __clang_version__;
#else
  provenance.compiler = "gcc " __VERSION__;
#endif
  provenance.program = BITSMITH_VERSION;
  provenance.build = BITSMITH_BUILD;
  return provenance;
}

namespace {

template <typename Value>
void compare(std::string_view what, const Value& theirs, const Value& ours, std::vector<std::string>& found) {
  if (theirs != ours)
    found.push_back(fmt::format("{}: the table's is '{}', this one's is '{}'", what, theirs, ours));
}

}  // namespace

std::vector<std::string> machine_differences(const Provenance& table, const Provenance& here) {
  std::vector<std::string> found;
  compare("CPU", table.cpu, here.cpu, found);
  compare("L1 data cache (bytes)", table.l1d_bytes, here.l1d_bytes, found);
  compare("L2 cache (bytes)", table.l2_bytes, here.l2_bytes, found);
  compare("L3 cache (bytes)", table.l3_bytes, here.l3_bytes, found);
  compare("instruction set", table.isa, here.isa, found);
  return found;
}

std::vector<std::string> differences(const Provenance& table, const Provenance& here) {
  std::vector<std::string> found = machine_differences(table, here);
  compare("oneDNN", table.onednn, here.onednn, found);
  compare("kernels", table.kernels, here.kernels, found);
  compare("compiler", table.compiler, here.compiler, found);
  compare("bitsmith", table.program, here.program, found);
  compare("build", table.build, here.build, found);
  return found;
}

}  // namespace bitsmith::hwmodels
