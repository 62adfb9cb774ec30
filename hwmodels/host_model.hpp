#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "hwmodels/latency_table.hpp"
#include "hwmodels/layer_prices.hpp"
#include "hwmodels/options.hpp"
#include "hwmodels/step_catalog.hpp"

namespace bitsmith::hwmodels {

/// Metric `latency_ms`: one inference of `batch` images on one thread of this host, the sum over the steps of
/// the plan that the policy lowers to, each at its measured median. A layer costs what the fastest measured
/// kernel that serves its bits costs (with cold weights where the options say so), and as
/// quant::KernelChooser the model names that kernel: quant::lower(network, policy, host_model) is the plan
/// that was priced.
///
/// At given storages fewer bits never cost more. A whole plan is not quite monotone: where two layers read
/// one tensor at different bits, it is quantized twice.
class HostModel : public CostModel, public quant::KernelChooser {
 public:
  /// Throws UserError that names every entry missing from the table to price the choices' policies.
  HostModel(const quant::NetworkInfo& network, const LatencyTable& table, const HostOptions& options,
            const BitChoices& choices);
  ~HostModel() override;

  std::string name() const override { return "host"; }
  std::span<const Metric> metrics() const override;
  /// `network` must be the one given to the constructor. Throws UserError for bits that no kernel serves, or
  /// whose kernels were not measured.
  Cost price(const quant::NetworkInfo& network, const quant::Policy& policy) const override;
  /// Of the prices that the network can use, the batch and whether weights are cold.
  std::string fingerprint() const override { return fingerprint_; }

  std::string choose(const quant::LayerInfo& layer, const quant::Step& step) const override;

  const quant::NetworkInfo& network() const { return network_; }

 private:
  /// A plan without its layers' bits: all policies that compute on integers in the same places, and give
  /// equal bits to the same readers of a tensor, share one.
  struct Skeleton;
  struct StepPrice {
    std::string kernel;
    double us;
  };

  std::string signature(const quant::Policy& policy) const;
  std::unique_ptr<const Skeleton> make_skeleton(const quant::Policy& policy) const;
  Cost price_with(const Skeleton& skeleton, const quant::Policy& policy) const;
  const LayerPrices& prices_of(const quant::Step& step) const;
  [[noreturn]] void refuse(const quant::Policy& policy, const Skeleton& skeleton) const;

  quant::NetworkInfo network_;
  std::vector<std::vector<std::size_t>> co_readers_;  ///< earlier layers that read the same tensor, per layer
  std::map<LayerStepKey, LayerPrices> layers_;
  std::map<std::string, StepPrice, std::less<>> others_;  ///< by Step::shape_key
  std::string fingerprint_;
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<std::string, std::unique_ptr<const Skeleton>> skeletons_;
};

}  // namespace bitsmith::hwmodels
