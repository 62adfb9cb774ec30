#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hwmodels/latency_table.hpp"
#include "hwmodels/options.hpp"
#include "hwmodels/step_catalog.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::hwmodels {

/// The bits as which a kernel is timed for a layer between these storages: the widest pair it serves. All
/// pairs that it serves are computed on operands packed in the same way, so one timing holds for all. None:
/// it serves no pair.
std::optional<quant::LayerBits> timed_bits(const quant::KernelRow& row, const quant::LayerInfo& layer,
                                           quant::Storage from, quant::Storage to);

/// On one thread, as all plans run: throughput comes from several at once.
EntryKey entry_key(std::string step_key, std::string kernel, quant::LayerBits bits, int batch,
                   CacheState state);

/// What has to be timed so that a step can be priced.
struct Candidate {
  EntryKey key;  ///< hot
  quant::Step step;
  const quant::KernelRow* row = nullptr;        ///< of a layer; null for other steps
  const quant::NetworkInfo* network = nullptr;  ///< whose step it is; must outlive the candidate

  const quant::LayerInfo& layer() const { return network->layers[static_cast<std::size_t>(step.layer)]; }
};

/// Every kernel that serves some (weight, activation) bits of the choices in some step of the catalog, and
/// every other step; distinct by key, in the order of the catalog.
std::vector<Candidate> find_candidates(const quant::NetworkInfo& network, const StepCatalog& catalog,
                                       const BitChoices& choices, int batch);

/// Every kernel that serves the one layer of each of these networks at some bits, from unsigned integers and
/// from floats, to f32 (as at a network's end, or before an addition) and to u8 (behind a ReLU, as before any
/// layer that reads 8 bits): the steps, and so the keys, that a network with such layers has.
std::vector<Candidate> find_candidates(std::span<const quant::NetworkInfo> lone_layers, int batch);

/// Where a network that runs again and again finds its weights and activations: in the smallest cache that
/// holds the weights as 8-bit integers, multipliers and biases, the arena of its uniform 8-bit plan, and the
/// images.
CacheState resident_state(const quant::NetworkInfo& network, int batch);

/// The state in which a host model prices: resident_state, or cold for layers where options.cold_weights.
CacheState priced_state(const quant::NetworkInfo& network, const HostOptions& options, bool is_layer);

/// Whether a kernel cannot win: alone and hot, another one that serves every pair of bits it serves takes
/// less than four fifths of its time. Such kernels are not timed in place. `key`: the kernel's entry, in any
/// state.
bool is_outclassed(const LatencyTable& table, const quant::LayerInfo& layer, const quant::KernelRow& row,
                   quant::Storage from, quant::Storage to, EntryKey key);

/// The entries that price every policy of the choices: the candidates' in their priced_state.
std::vector<EntryKey> needed_entries(const quant::NetworkInfo& network, const BitChoices& choices,
                                     const HostOptions& options);

}  // namespace bitsmith::hwmodels
