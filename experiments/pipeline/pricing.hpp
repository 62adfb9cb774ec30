#pragma once

#include <memory>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "hwmodels/cost_model.hpp"
#include "hwmodels/host_model.hpp"
#include "hwmodels/latency_table.hpp"

namespace bitsmith::experiments {

/// The hardware of a run, ready to price policies.
struct Pricing {
  hwmodels::LatencyTable table;  ///< empty without the host model
  std::unique_ptr<hwmodels::CostModels> models;
  const hwmodels::HostModel* host = nullptr;  ///< one of `models`, where this host is priced
};

enum class Prices {
  of_the_run,  ///< frozen in Workspace::prices(): a run that is resumed keeps them, whatever has changed
               ///< since
  of_today,    ///< frozen ones are neither read nor written
};

/// Makes the configured cost models. For the host, measures what the table (`hardware.host.table`, else
/// latency.h5 in the work folder) does not hold yet.
Pricing make_pricing(const Config& config, const quant::NetworkInfo& network, const Workspace& workspace,
                     const Reporter& reporter, Prices prices = Prices::of_the_run);

}  // namespace bitsmith::experiments
