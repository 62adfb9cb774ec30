#include "hwmodels/host_model.hpp"

#include <fmt/format.h>

#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include "hwmodels/candidates.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/kernels/step_kernels.hpp"
#include "quant/serving.hpp"

namespace bitsmith::hwmodels {
namespace {

using quant::kFloatBits;
using quant::LayerBits;

// Beyond these, skeletons are made anew each time: a search that mixes fp32 freely could meet any number of
// them.
constexpr std::size_t kMaxSkeletons = 4096;
constexpr double kUsPerMs = 1000.0;

[[noreturn]] void refuse_missing(const quant::NetworkInfo& network, const std::set<EntryKey>& missing) {
  std::string list;
  for (const EntryKey& key : missing) list += "\n  " + to_string(key);
  throw base::UserError(
      fmt::format("the latency table cannot price '{}': {} entr{} missing; profile this network to "
                  "measure them:{}",
                  network.name, missing.size(), missing.size() == 1 ? "y is" : "ies are", list));
}

/// The node whose values a layer reads: flatten changes nothing but the shape.
int source_of(const quant::NetworkInfo& network, const quant::LayerInfo& layer) {
  int node = network.nodes[static_cast<std::size_t>(layer.node)].inputs[0];
  while (network.nodes[static_cast<std::size_t>(node)].op == quant::Op::flatten)
    node = network.nodes[static_cast<std::size_t>(node)].inputs[0];
  return node;
}

}  // namespace

struct HostModel::Skeleton {
  struct Row {
    int layer = -1;
    const LayerPrices* prices = nullptr;  ///< of a layer; null: `other` is the price
    const StepPrice* other = nullptr;
  };
  std::vector<Row> rows;
};

HostModel::HostModel(const quant::NetworkInfo& network, const LatencyTable& table, const HostOptions& options,
                     const BitChoices& choices)
    : network_(network) {
  const StepCatalog catalog = enumerate_steps(network_, choices);
  const CacheState of_layers = priced_state(network_, options, true);
  const CacheState of_others = priced_state(network_, options, false);
  std::set<EntryKey> missing, used;
  for (const CatalogStep& entry : catalog.layers) {
    const quant::Step& step = entry.step;
    const quant::LayerInfo& layer = network_.layers[static_cast<std::size_t>(step.layer)];
    LayerPrices prices(table, layer, entry.key, step.from, step.to, options.batch, of_layers);
    for (quant::LayerFormats formats : layer_choices(layer, choices))
      for (EntryKey& key : prices.missing(quant::kernel_bits(formats))) missing.insert(std::move(key));
    used.insert(prices.used().begin(), prices.used().end());
    layers_.emplace(layer_step_key(step), std::move(prices));
  }
  for (const CatalogStep& entry : catalog.others) {
    std::string kernel(quant::step_kernel_name(entry.step.kind));
    const EntryKey key = entry_key(entry.key, kernel, LayerBits{}, options.batch, of_others);
    const Entry* found = table.find(key);
    if (found == nullptr) {
      missing.insert(key);
      continue;
    }
    used.insert(key);
    others_.emplace(entry.key, StepPrice{std::move(kernel), found->price_us()});
  }
  if (!missing.empty()) refuse_missing(network_, missing);

  LatencyTable prices;
  for (const EntryKey& key : used) prices.set(key, *table.find(key));
  base::Hasher hasher;
  hasher.add(prices.fingerprint());
  hasher.add(options.batch);
  hasher.add(int{options.cold_weights});
  fingerprint_ = hasher.hex();

  std::vector<int> sources;
  for (const quant::LayerInfo& layer : network_.layers) {
    const int source = source_of(network_, layer);
    std::vector<std::size_t>& earlier = co_readers_.emplace_back();
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (sources[i] == source) earlier.push_back(i);
    sources.push_back(source);
  }
}

HostModel::~HostModel() = default;

std::span<const Metric> HostModel::metrics() const {
  static const Metric metric[] = {{"latency_ms", "ms"}};
  return metric;
}

const LayerPrices& HostModel::prices_of(const quant::Step& step) const {
  const auto found = layers_.find(layer_step_key(step));
  if (found == layers_.end())
    throw base::UserError(
        fmt::format("host latency: layer '{}' from {} to {} was not among the bit choices that were "
                    "profiled",
                    network_.layers[static_cast<std::size_t>(step.layer)].name,
                    quant::storage_name(step.from), quant::storage_name(step.to)));
  return found->second;
}

std::string HostModel::choose(const quant::LayerInfo& layer, const quant::Step& step) const {
  const int index = network_.find_layer(layer.name);
  base::require(index >= 0 && index == step.layer, "host model: a layer of another network");
  const LayerPrices& prices = prices_of(step);
  const LayerPrices::Price& price = prices.at(step.bits);
  if (price.row != nullptr) return std::string(price.row->name);
  const auto missing = prices.missing(step.bits);
  if (!missing.empty()) refuse_missing(network_, {missing.begin(), missing.end()});
  throw base::UserError(
      fmt::format("host latency: no kernel serves layer '{}' at {} weight and {} activation bits, "
                  "{} to {}",
                  layer.name, step.bits.weight, step.bits.activation, quant::storage_name(step.from),
                  quant::storage_name(step.to)));
}

/// Three bytes per layer: which operands are integers, whether its input is clamped to fewer than 8 bits, and
/// the first layer that shares its quantized input.
std::string HostModel::signature(const quant::Policy& policy) const {
  std::string text(policy.layers.size() * 3, '\0');
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    const bool float_weights = quant::kernel_weight_bits(policy.layers[i].weight) == kFloatBits;
    const quant::Format activation = policy.layers[i].activation;
    text[3 * i] = static_cast<char>((float_weights ? 1 : 0) + (activation.is_float() ? 2 : 0) +
                                    (activation.code() < 8 ? 4 : 0));
    std::size_t twin = i;
    for (std::size_t other : co_readers_[i]) {
      if (policy.layers[other].activation != activation) continue;
      twin = other;
      break;
    }
    text[3 * i + 1] = static_cast<char>(twin & 255);
    text[3 * i + 2] = static_cast<char>(twin >> 8 & 255);
  }
  return text;
}

std::unique_ptr<const HostModel::Skeleton> HostModel::make_skeleton(const quant::Policy& policy) const {
  auto skeleton = std::make_unique<Skeleton>();
  for (const quant::Step& step : quant::lower(network_, policy).steps) {
    if (step.kind == quant::StepKind::layer) {
      skeleton->rows.push_back({step.layer, &prices_of(step), nullptr});
      continue;
    }
    const std::string key = step.shape_key(network_);
    const auto found = others_.find(key);
    if (found == others_.end())
      throw base::UserError(
          fmt::format("host latency: step '{}' was not among the bit choices that were profiled", key));
    skeleton->rows.push_back({-1, nullptr, &found->second});
  }
  return skeleton;
}

void HostModel::refuse(const quant::Policy& policy, const Skeleton& skeleton) const {
  std::set<EntryKey> missing;
  std::string unserved;
  for (const Skeleton::Row& row : skeleton.rows) {
    if (row.prices == nullptr) continue;
    const auto layer = static_cast<std::size_t>(row.layer);
    const LayerBits bits = quant::kernel_bits(policy.layers[layer]);
    if (row.prices->at(bits).row != nullptr) continue;
    const auto keys = row.prices->missing(bits);
    missing.insert(keys.begin(), keys.end());
    if (keys.empty())
      unserved += fmt::format("\n  {} at {} weight and {} activation bits", network_.layers[layer].name,
                              bits.weight, bits.activation);
  }
  if (!missing.empty()) refuse_missing(network_, missing);
  throw base::UserError("host latency: no kernel of this machine serves" + unserved);
}

Cost HostModel::price_with(const Skeleton& skeleton, const quant::Policy& policy) const {
  Cost cost;
  cost.steps.reserve(skeleton.rows.size());
  cost.layers.resize(policy.layers.size());
  double total_us = 0;
  for (const Skeleton::Row& row : skeleton.rows) {
    if (row.prices == nullptr) {
      cost.steps.push_back({{row.other->us / kUsPerMs}, row.other->kernel});
      total_us += row.other->us;
      continue;
    }
    const auto layer = static_cast<std::size_t>(row.layer);
    const LayerPrices::Price& price = row.prices->at(quant::kernel_bits(policy.layers[layer]));
    if (price.row == nullptr) refuse(policy, skeleton);
    cost.steps.push_back({{price.us / kUsPerMs}, std::string(price.row->name)});
    cost.layers[layer] = cost.steps.back();
    total_us += price.us;
  }
  cost.totals = {total_us / kUsPerMs};
  return cost;
}

Cost HostModel::price(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  base::require(network.name == network_.name && network.layers.size() == network_.layers.size(),
                "host model: another network than it was made for");
  quant::validate_policy(network_, policy);
  const std::string key = signature(policy);
  {
    const std::shared_lock lock(mutex_);
    const auto found = skeletons_.find(key);
    if (found != skeletons_.end()) return price_with(*found->second, policy);
  }
  std::unique_ptr<const Skeleton> made = make_skeleton(policy);
  Cost cost = price_with(*made, policy);
  const std::unique_lock lock(mutex_);
  if (skeletons_.size() < kMaxSkeletons) skeletons_.try_emplace(key, std::move(made));
  return cost;
}

}  // namespace bitsmith::hwmodels
