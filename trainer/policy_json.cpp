#include "trainer/policy_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "quant/quantizer.hpp"
#include "quant/serving.hpp"
#include "trainer/deployed_scales.hpp"

namespace bitsmith::trainer {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

/// Bits of the integers that stand for a format's values; 1: -1 and +1.
Json levels_json(int bits, bool is_signed) {
  if (bits == 1 && is_signed) return {-1, 1};
  const quant::IntegerRange range = quant::integer_range(bits, is_signed);
  return {range.low, range.high};
}

Json weights_json(quant::Format format, const std::vector<float>& scales) {
  Json json{{"format", format.name()},
            {"bits", format.is_float() ? quant::kFloatBits : format.element_bits()},
            {"effective_bits", format.is_float() ? quant::kFloatBits : format.effective_bits()},
            {"levels", nullptr},
            {"scales", nullptr},
            {"range", nullptr}};
  const int bits = quant::kernel_weight_bits(format);
  if (bits == quant::kFloatBits) return json;
  json["levels"] = levels_json(bits, true);
  if (scales.empty()) return json;
  const float largest = std::ranges::max(scales);
  json["scales"] = scales;
  json["range"] = {json["levels"][0].get<float>() * largest, json["levels"][1].get<float>() * largest};
  return json;
}

Json integers_json(int bits, bool is_signed, float scale) {
  Json json{{"format", fmt::format("{}int{}", is_signed ? "" : "u", bits)},
            {"bits", bits},
            {"signed", is_signed},
            {"levels", levels_json(bits, is_signed)},
            {"scale", nullptr},
            {"range", nullptr}};
  if (scale == 0) return json;
  json["scale"] = scale;
  json["range"] = {json["levels"][0].get<float>() * scale, json["levels"][1].get<float>() * scale};
  return json;
}

Json activations_json(quant::Format format, const quant::LayerInfo& layer, const LayerScales& scales) {
  if (format.is_float())
    return {{"format", "fp32"},  {"bits", quant::kFloatBits}, {"signed", layer.input_signed},
            {"levels", nullptr}, {"scale", nullptr},          {"range", nullptr}};
  Json json = integers_json(format.code(), layer.input_signed, scales.input);
  if (scales.dynamic_input) json["scale"] = "dynamic";
  return json;
}

}  // namespace

std::string policy_json(const DeployedModel& model) {
  Json json{{"schema", "bitsmith-policy"},
            {"version", kVersion},
            {"network", model.network.name},
            {"policy_hash", fmt::format("{:016x}", model.policy.hash())}};
  const std::vector<LayerScales> scales = layer_scales(model);
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const quant::LayerInfo& layer = model.network.layers[i];
    const quant::LayerFormats formats = model.policy.layers[i];
    json["layers"].push_back({{"name", layer.name},
                              {"kind", quant::layer_kind_name(layer.kind)},
                              {"weights", weights_json(formats.weight, scales[i].weights)},
                              {"activations", activations_json(formats.activation, layer, scales[i])}});
  }
  json["tensors"] = Json::array();
  const std::vector<float> of_steps = step_scales(model);
  for (const int index : model.network.quantize_nodes()) {
    const quant::Node& node = model.network.nodes[static_cast<std::size_t>(index)];
    float scale = 0;
    for (std::size_t i = 0; i < of_steps.size(); ++i)
      if (model.steps[i].step.tensor == index) scale = of_steps[i];
    if (!model.policy.quantizes()) continue;
    Json tensor = integers_json(8, node.output_signed, scale);
    tensor["name"] = node.name;
    json["tensors"].push_back(std::move(tensor));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bitsmith::trainer
