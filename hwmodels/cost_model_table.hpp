#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "hwmodels/cost_model.hpp"
#include "hwmodels/latency_table.hpp"
#include "hwmodels/options.hpp"
#include "hwmodels/step_catalog.hpp"
#include "quant/options.hpp"

namespace bitsmith::hwmodels {

/// What cost models may need; each takes what it does.
struct CostModelContext {
  const quant::NetworkInfo& network;
  quant::QuantizationOptions quantization;
  HostOptions host;
  CommandOptions command;
  BitChoices choices;                   ///< that policies may use
  const LatencyTable* table = nullptr;  ///< host: of profile()
};

struct CostModelRow {
  std::string_view name;
  std::string_view metrics;  ///< "size_kib"; "latency_ms, ..." where a user's program adds its own
  std::string_view description;
  std::unique_ptr<CostModel> (*make)(const CostModelContext& context);
};

/// All cost models. To add one: a file pair, and a row here.
std::span<const CostModelRow> cost_model_rows();

/// Throws UserError for a name that no row has.
std::unique_ptr<CostModel> make_cost_model(std::string_view name, const CostModelContext& context);

}  // namespace bitsmith::hwmodels
