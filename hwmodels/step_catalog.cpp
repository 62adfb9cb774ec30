#include "hwmodels/step_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "quant/base/error.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::hwmodels {
namespace {

using quant::kFloatBits;
using quant::LayerBits;

constexpr int kReferenceBits = 8;

std::vector<int> completed(std::vector<int> bits, int least, const char* what) {
  for (int value : bits)
    if ((value < least || value > 8) && value != kFloatBits)
      throw base::UserError(
          fmt::format("{}: got {}, allowed are {} to 8 and {} (fp32)", what, value, least, kFloatBits));
  bits.insert(bits.end(), {kReferenceBits, kFloatBits});
  std::sort(bits.begin(), bits.end());
  bits.erase(std::unique(bits.begin(), bits.end()), bits.end());
  return bits;
}

bool has_kernel(const quant::LayerInfo& layer, LayerBits bits) {
  const quant::Storage from = quant::input_storage(layer, bits);
  return std::any_of(
      quant::kernel_rows().begin(), quant::kernel_rows().end(),
      [&](const quant::KernelRow& row) { return row.serves(layer, bits, from, quant::Storage::f32); });
}

/// Whether weights and activations are integers, and activations as wide as their storage: what decides the
/// storages around a layer, and whether outputs are clamped.
enum class Mode { integers, narrow_integers, weight_only, activation_only, floats };
constexpr Mode kModes[] = {Mode::integers, Mode::narrow_integers, Mode::weight_only, Mode::activation_only,
                           Mode::floats};

Mode mode_of(LayerBits bits) {
  if (bits.weight == kFloatBits) return bits.activation == kFloatBits ? Mode::floats : Mode::activation_only;
  if (bits.activation == kFloatBits) return Mode::weight_only;
  return bits.activation == kReferenceBits ? Mode::integers : Mode::narrow_integers;
}

/// An example of each mode that the layer's choices have.
std::vector<std::optional<LayerBits>> examples(const std::vector<LayerBits>& choices) {
  std::vector<std::optional<LayerBits>> found(std::size(kModes));
  for (LayerBits bits : choices) found[static_cast<std::size_t>(mode_of(bits))] = bits;
  return found;
}

}  // namespace

std::vector<LayerBits> layer_choices(const quant::LayerInfo& layer, const BitChoices& choices) {
  std::vector<LayerBits> allowed;
  for (int weight : completed(choices.weight_bits, 2, "weight bits"))
    for (int activation : completed(choices.activation_bits, 1, "activation bits")) {
      const LayerBits bits{weight, activation};
      if (activation == 1 && layer.input_signed) continue;
      if (has_kernel(layer, bits)) allowed.push_back(bits);
    }
  return allowed;
}

StepCatalog enumerate_steps(const quant::NetworkInfo& network, const BitChoices& choices) {
  const std::size_t count = network.layers.size();
  std::vector<std::vector<std::optional<LayerBits>>> modes;
  for (const quant::LayerInfo& layer : network.layers)
    modes.push_back(examples(layer_choices(layer, choices)));

  StepCatalog catalog;
  std::set<LayerStepKey> known_layers;
  std::set<std::string> known_others;
  const auto collect = [&](const quant::Policy& policy) {
    for (quant::Step& step : quant::lower(network, policy).steps) {
      std::string key = step.shape_key(network);
      step.kernel.clear();
      if (step.kind == quant::StepKind::layer) {
        if (known_layers.insert(layer_step_key(step)).second)
          catalog.layers.push_back({std::move(step), std::move(key), policy});
      } else if (known_others.insert(key).second) {
        catalog.others.push_back({std::move(step), std::move(key), policy});
      }
    }
  };

  for (std::size_t around = 0; around < std::size(kModes); ++around) {
    quant::Policy policy;
    for (const auto& layer : modes) {
      // A layer that lacks the mode takes its nearest other: its last, which is fp32.
      policy.layers.push_back(layer[around] ? *layer[around] : layer.back().value_or(LayerBits{}));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const LayerBits kept = policy.layers[i];
      for (const auto& own : modes[i]) {
        if (!own) continue;
        policy.layers[i] = *own;
        collect(policy);
      }
      policy.layers[i] = kept;
    }
  }
  return catalog;
}

}  // namespace bitsmith::hwmodels
