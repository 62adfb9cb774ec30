#include "hwmodels/step_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "quant/base/error.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/serving.hpp"

namespace bitsmith::hwmodels {
namespace {

using quant::Format;
using quant::kFloatBits;
using quant::LayerFormats;

constexpr int kReferenceBits = 8;

std::vector<Format> completed(std::vector<Format> formats, std::optional<Format> (*known)(std::string_view),
                              const char* what, const std::string& allowed) {
  for (Format format : formats)
    if (!known(quant::short_name(format)))
      throw base::UserError(
          fmt::format("{}: got {}, allowed are {}", what, quant::short_name(format), allowed));
  formats.insert(formats.end(), {kReferenceBits, kFloatBits});
  std::sort(formats.begin(), formats.end());
  formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
  return formats;
}

bool has_kernel(const quant::LayerInfo& layer, LayerFormats formats) {
  if (formats.weight.is_float() && !formats.activation.is_float()) return false;
  const quant::LayerBits bits = quant::kernel_bits(formats);
  const quant::Storage from = quant::input_storage(layer, bits);
  return std::any_of(
      quant::kernel_rows().begin(), quant::kernel_rows().end(),
      [&](const quant::KernelRow& row) { return row.serves(layer, bits, from, quant::Storage::f32); });
}

/// Whether weights and activations are integers, and activations as wide as their storage: what decides the
/// storages around a layer, and whether outputs are clamped.
enum class Mode { integers, narrow_integers, weight_only, decoded, narrow_decoded, floats };
constexpr Mode kModes[] = {Mode::integers, Mode::narrow_integers, Mode::weight_only,
                           Mode::decoded,  Mode::narrow_decoded,  Mode::floats};

Mode mode_of(LayerFormats formats) {
  const bool decoded = quant::kernel_weight_bits(formats.weight) == kFloatBits;
  if (formats.activation.is_float()) return decoded ? Mode::floats : Mode::weight_only;
  if (formats.activation == kReferenceBits) return decoded ? Mode::decoded : Mode::integers;
  return decoded ? Mode::narrow_decoded : Mode::narrow_integers;
}

/// An example of each mode that the layer's choices have.
std::vector<std::optional<LayerFormats>> examples(const std::vector<LayerFormats>& choices) {
  std::vector<std::optional<LayerFormats>> found(std::size(kModes));
  for (LayerFormats formats : choices) found[static_cast<std::size_t>(mode_of(formats))] = formats;
  return found;
}

}  // namespace

std::vector<LayerFormats> layer_choices(const quant::LayerInfo& layer, const BitChoices& choices) {
  std::vector<LayerFormats> allowed;
  for (Format weight :
       completed(choices.weight_bits, quant::weight_format, "weight bits", quant::allowed_weight_formats()))
    for (Format activation : completed(choices.activation_bits, quant::activation_format, "activation bits",
                                       quant::allowed_activation_formats())) {
      const LayerFormats formats{weight, activation};
      if (activation == 1 && layer.input_signed) continue;
      if (has_kernel(layer, formats)) allowed.push_back(formats);
    }
  return allowed;
}

StepCatalog enumerate_steps(const quant::NetworkInfo& network, const BitChoices& choices) {
  const std::size_t count = network.layers.size();
  std::vector<std::vector<std::optional<LayerFormats>>> modes;
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
    if (std::ranges::none_of(modes, [&](const auto& layer) { return layer[around].has_value(); })) continue;
    quant::Policy policy;
    for (const auto& layer : modes) {
      // A layer that lacks the mode takes its nearest other: its last, which is fp32.
      policy.layers.push_back(layer[around] ? *layer[around] : layer.back().value_or(LayerFormats{}));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const LayerFormats kept = policy.layers[i];
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
