#include "hwmodels/candidates.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "quant/arena_plan.hpp"
#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/kernels/step_kernels.hpp"
#include "quant/serving.hpp"

namespace bitsmith::hwmodels {
namespace {

using quant::LayerBits;

bool serves_any(const quant::KernelRow& row, const quant::LayerInfo& layer,
                const std::vector<LayerBits>& choices, quant::Storage from, quant::Storage to) {
  return std::any_of(choices.begin(), choices.end(), [&](LayerBits bits) {
    return quant::input_storage(layer, bits) == from && row.serves(layer, bits, from, to);
  });
}

}  // namespace

EntryKey entry_key(std::string step_key, std::string kernel, LayerBits bits, int batch, CacheState state) {
  return {std::move(step_key), std::move(kernel), bits, batch, 1, state};
}

CacheState resident_state(const quant::NetworkInfo& network, int batch) {
  constexpr std::int64_t kFloatBytes = 4;
  const quant::Plan plan = quant::lower(network, quant::uniform_policy(network, {8, 8}));
  std::int64_t bytes = quant::plan_arena(plan.steps, batch).bytes +
                       kFloatBytes * batch * network.nodes.front().output.elements();
  for (const quant::LayerInfo& layer : network.layers)
    bytes += layer.weights() + 2 * kFloatBytes * layer.output.channels;
  const base::CpuInfo cpu = base::cpu_info();
  if (bytes <= cpu.l2_bytes) return CacheState::in_l2;
  return bytes <= cpu.l3_bytes ? CacheState::in_l3 : CacheState::in_memory;
}

CacheState priced_state(const quant::NetworkInfo& network, const HostOptions& options, bool is_layer) {
  return is_layer && options.cold_weights ? CacheState::cold : resident_state(network, options.batch);
}

std::optional<LayerBits> timed_bits(const quant::KernelRow& row, const quant::LayerInfo& layer,
                                    quant::Storage from, quant::Storage to) {
  for (int weight = row.weight_bits.high; weight >= row.weight_bits.low; --weight)
    for (int activation = row.activation_bits.high; activation >= row.activation_bits.low; --activation) {
      const LayerBits bits{weight, activation};
      if (quant::input_storage(layer, bits) == from && row.serves(layer, bits, from, to)) return bits;
    }
  return std::nullopt;
}

bool is_outclassed(const LatencyTable& table, const quant::LayerInfo& layer, const quant::KernelRow& row,
                   quant::Storage from, quant::Storage to, EntryKey key) {
  constexpr double clearly = 0.8;
  key.state = CacheState::hot;
  const Entry* own = table.find(key);
  if (own == nullptr) return false;
  const auto serves_as_much = [&](const quant::KernelRow& other) {
    for (int weight = row.weight_bits.low; weight <= row.weight_bits.high; ++weight)
      for (int activation = row.activation_bits.low; activation <= row.activation_bits.high; ++activation) {
        const LayerBits bits{weight, activation};
        if (row.serves(layer, bits, from, to) && !other.serves(layer, bits, from, to)) return false;
      }
    return true;
  };
  return std::ranges::any_of(quant::kernel_rows(), [&](const quant::KernelRow& other) {
    if (&other == &row) return false;
    const auto bits = timed_bits(other, layer, from, to);
    if (!bits || !serves_as_much(other)) return false;
    const Entry* entry =
        table.find(entry_key(key.step, std::string(other.name), *bits, key.batch, CacheState::hot));
    return entry != nullptr && entry->price_us() < clearly * own->price_us();
  });
}

std::vector<Candidate> find_candidates(const quant::NetworkInfo& network, const StepCatalog& catalog,
                                       const BitChoices& choices, int batch) {
  std::vector<Candidate> candidates;
  std::set<EntryKey> known;
  const auto add = [&](EntryKey key, const quant::Step& step, const quant::KernelRow* row) {
    if (known.insert(key).second) candidates.push_back({std::move(key), step, row, &network});
  };
  for (const CatalogStep& entry : catalog.layers) {
    const quant::LayerInfo& layer = network.layers[static_cast<std::size_t>(entry.step.layer)];
    std::vector<LayerBits> allowed;
    for (quant::LayerFormats formats : layer_choices(layer, choices))
      allowed.push_back(quant::kernel_bits(formats));
    for (const quant::KernelRow& row : quant::kernel_rows()) {
      if (!serves_any(row, layer, allowed, entry.step.from, entry.step.to)) continue;
      const auto bits = timed_bits(row, layer, entry.step.from, entry.step.to);
      quant::Step step = entry.step;
      step.bits = *bits;
      step.kernel = row.name;
      add(entry_key(entry.key, step.kernel, *bits, batch, CacheState::hot), step, &row);
    }
  }
  for (const CatalogStep& entry : catalog.others)
    add(entry_key(entry.key, std::string(quant::step_kernel_name(entry.step.kind)), LayerBits{}, batch,
                  CacheState::hot),
        entry.step, nullptr);
  return candidates;
}

std::vector<Candidate> find_candidates(std::span<const quant::NetworkInfo> lone_layers, int batch) {
  using quant::Storage;
  std::vector<Candidate> candidates;
  std::set<EntryKey> known;
  for (const quant::NetworkInfo& network : lone_layers) {
    const quant::LayerInfo& layer = network.layers.front();
    base::require(network.layers.size() == 1 && !layer.input_signed,
                  "a lone layer reads what is not negative");
    quant::Step step;
    step.node = step.result = layer.node;
    step.layer = 0;
    step.input = layer.input;
    step.output = layer.output;
    for (const Storage from : {Storage::f32, Storage::u8})
      for (const Storage to : {Storage::f32, Storage::u8})
        for (const quant::KernelRow& row : quant::kernel_rows()) {
          const auto bits = timed_bits(row, layer, from, to);
          if (!bits) continue;
          step.from = from;
          step.to = to;
          step.fused_relu = to == Storage::u8;
          step.bits = *bits;
          step.kernel = row.name;
          EntryKey key = entry_key(step.shape_key(network), step.kernel, *bits, batch, CacheState::hot);
          if (known.insert(key).second) candidates.push_back({std::move(key), step, &row, &network});
        }
  }
  return candidates;
}

std::vector<EntryKey> needed_entries(const quant::NetworkInfo& network, const BitChoices& choices,
                                     const HostOptions& options) {
  const CacheState of_layers = priced_state(network, options, true);
  const CacheState of_others = priced_state(network, options, false);
  std::vector<EntryKey> keys;
  for (Candidate& candidate :
       find_candidates(network, enumerate_steps(network, choices), choices, options.batch)) {
    candidate.key.state = candidate.row != nullptr ? of_layers : of_others;
    keys.push_back(std::move(candidate.key));
  }
  return keys;
}

}  // namespace bitsmith::hwmodels
