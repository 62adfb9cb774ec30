#include "trainer/qat/choose_methods.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/qat/learned_numbers.hpp"

namespace bitsmith::trainer {
namespace {

using quant::ActivationMethod;
using quant::WeightMethod;

const quant::LayerOverride* override_of(const quant::QuantizationOptions& options, const std::string& layer) {
  const auto found = std::ranges::find(options.layers, layer, &quant::LayerOverride::layer);
  return found == options.layers.end() ? nullptr : &*found;
}

/// `named`: for this layer alone.
template <typename Method>
Method chosen(const std::optional<Method>& named, Method general, const std::optional<std::string>& problem,
              const std::string& layer) {
  if (!problem) return named.value_or(general);
  if (named) throw base::UserError(fmt::format("quantization.layers.{}: {}", layer, *problem));
  return Method::straight_through;
}

}  // namespace

void choose_methods(const quant::NetworkInfo& info, int layer, quant::LayerFormats formats,
                    const quant::QuantizationOptions& options, LayerQuantization& q) {
  const quant::LayerInfo& of = info.layers[static_cast<std::size_t>(layer)];
  const quant::LayerOverride* own = override_of(options, of.name);
  const std::optional<WeightMethod> weights = own != nullptr ? own->weight_method : std::nullopt;
  q.weight_method =
      chosen(weights, options.weight_method,
             quant::weight_objection(weights.value_or(options.weight_method), formats.weight), of.name);

  const std::optional<ActivationMethod> inputs = own != nullptr ? own->activation_method : std::nullopt;
  const ActivationMethod wanted = inputs.value_or(options.activation_method);
  q.activation_method =
      chosen(inputs, options.activation_method,
             quant::activation_objection(wanted, formats.activation, of.input_signed), of.name);
  if (wanted == ActivationMethod::bitnet && options.activation_method != ActivationMethod::bitnet)
    throw base::UserError(
        fmt::format("quantization.layers.{}.activation_method: bitnet is for all layers or none; set "
                    "quantization.activation_method",
                    of.name));
  const int bits = formats.activation.code();
  const bool given = !formats.activation.is_float() && has_given_input_scale(info, layer, bits);
  const bool dynamic = q.activation_method == ActivationMethod::bitnet;
  // Signs of signed inputs have no integer kernel: only where they are asked for by name.
  const bool signs = q.activation_method == ActivationMethod::binary && of.input_signed && !inputs;
  if ((given && !dynamic) || signs) q.activation_method = ActivationMethod::straight_through;
  q.folds_batch_norm = options.batch_norm == quant::QatBatchNorm::folded && formats.weight.is_integer() &&
                       q.weight_method == WeightMethod::straight_through;
  q.observes_input = options.observer_epochs > 0 && !formats.activation.is_float() && !given &&
                     q.activation_method == ActivationMethod::straight_through &&
                     options.activation_scales == quant::ActivationScales::fixed;
}

void check_layer_names(const quant::NetworkInfo& info, const quant::QuantizationOptions& options) {
  std::vector<std::string> names;
  for (const quant::LayerInfo& layer : info.layers) names.push_back(layer.name);
  for (const quant::LayerOverride& own : options.layers)
    if (std::ranges::find(names, own.layer) == names.end())
      throw base::UserError(
          fmt::format("quantization.layers.{}: network '{}' has no such layer{}; its layers: {}", own.layer,
                      info.name, base::did_you_mean(own.layer, names), base::join_names(names)));
}

quant::Policy with_overrides(const quant::NetworkInfo& info, quant::Policy policy,
                             const quant::QuantizationOptions& options) {
  for (std::size_t i = 0; i < info.layers.size(); ++i)
    if (const quant::LayerOverride* own = override_of(options, info.layers[i].name)) {
      quant::LayerFormats& formats = policy.layers[i];
      formats.weight = own->weight_format.value_or(formats.weight);
      formats.activation = own->activation_format.value_or(formats.activation);
    }
  return policy;
}

}  // namespace bitsmith::trainer
