#include "hwmodels/cost_model_table.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "hwmodels/bops_model.hpp"
#include "hwmodels/command_model.hpp"
#include "hwmodels/host_model.hpp"
#include "hwmodels/size_model.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::hwmodels {
namespace {

std::unique_ptr<CostModel> make_size(const CostModelContext& context) {
  return std::make_unique<SizeModel>(context.quantization.weight_granularity);
}

std::unique_ptr<CostModel> make_bops(const CostModelContext&) { return std::make_unique<BopsModel>(); }

std::unique_ptr<CostModel> make_host(const CostModelContext& context) {
  base::require(context.table != nullptr, "the host model needs a latency table");
  return std::make_unique<HostModel>(context.network, *context.table, context.host, context.choices);
}

std::unique_ptr<CostModel> make_command(const CostModelContext& context) {
  return std::make_unique<CommandModel>(context.command, context.network);
}

const std::array kRows{
    CostModelRow{"size", "size_kib", "parameters packed at their bits, with scales and biases", make_size},
    CostModelRow{"bops", "gbops", "multiply-accumulates times weight bits times activation bits", make_bops},
    CostModelRow{"host", "latency_ms", "this CPU: the measured kernels of the plan that a policy lowers to",
                 make_host},
    CostModelRow{"command", "latency_ms, ...", "your own program: JSON on standard input and output",
                 make_command},
};

}  // namespace

std::span<const CostModelRow> cost_model_rows() { return kRows; }

std::unique_ptr<CostModel> make_cost_model(std::string_view name, const CostModelContext& context) {
  std::vector<std::string> names;
  for (const CostModelRow& row : kRows) {
    if (row.name == name) return row.make(context);
    names.emplace_back(row.name);
  }
  throw base::UserError(fmt::format("hardware: there is no cost model '{}'{}; allowed: {}", name,
                                    base::did_you_mean(name, names), base::join_names(names)));
}

}  // namespace bitsmith::hwmodels
