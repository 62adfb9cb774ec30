#include "hwmodels/candidates.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "quant/kernels/step_kernels.hpp"

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

EntryKey entry_key(std::string step_key, std::string kernel, LayerBits bits, int batch, bool cold) {
  return {std::move(step_key), std::move(kernel), bits, batch, 1, cold};
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

std::vector<Candidate> find_candidates(const quant::NetworkInfo& network, const StepCatalog& catalog,
                                       const BitChoices& choices, int batch) {
  std::vector<Candidate> candidates;
  std::set<EntryKey> known;
  const auto add = [&](EntryKey key, const quant::Step& step, const quant::KernelRow* row) {
    if (known.insert(key).second) candidates.push_back({std::move(key), step, row});
  };
  for (const CatalogStep& entry : catalog.layers) {
    const quant::LayerInfo& layer = network.layers[static_cast<std::size_t>(entry.step.layer)];
    const std::vector<LayerBits> allowed = layer_choices(layer, choices);
    for (const quant::KernelRow& row : quant::kernel_rows()) {
      if (!serves_any(row, layer, allowed, entry.step.from, entry.step.to)) continue;
      const auto bits = timed_bits(row, layer, entry.step.from, entry.step.to);
      quant::Step step = entry.step;
      step.bits = *bits;
      step.kernel = row.name;
      add(entry_key(entry.key, step.kernel, *bits, batch, false), step, &row);
    }
  }
  for (const CatalogStep& entry : catalog.others)
    add(entry_key(entry.key, std::string(quant::step_kernel_name(entry.step.kind)), LayerBits{}, batch,
                  false),
        entry.step, nullptr);
  return candidates;
}

std::vector<EntryKey> needed_entries(const quant::NetworkInfo& network, const BitChoices& choices,
                                     const HostOptions& options) {
  std::vector<EntryKey> keys;
  for (Candidate& candidate :
       find_candidates(network, enumerate_steps(network, choices), choices, options.batch)) {
    candidate.key.cold = options.cold_weights && candidate.row != nullptr;
    keys.push_back(std::move(candidate.key));
  }
  return keys;
}

}  // namespace bitsmith::hwmodels
