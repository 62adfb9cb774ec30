#include "trainer/model_description.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "quant/format_json.hpp"
#include "quant/row_pad.hpp"
#include "trainer/packed_bits.hpp"
#include "trainer/preparation_description.hpp"

namespace bitsmith::trainer {
namespace {

using Json = nlohmann::ordered_json;
using quant::Node;
using quant::Op;

Json array_json(std::string_view bytes, NumberStore& numbers) {
  return {{"offset", numbers.add(bytes)}, {"bytes", bytes.size()}};
}

Json floats_json(const std::vector<float>& values, NumberStore& numbers) {
  return array_json({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}, numbers);
}

Json bound_json(float bound) { return std::isfinite(bound) ? Json(bound) : Json(nullptr); }

Json node_json(const Node& node) {
  Json json{{"name", node.name}, {"op", quant::op_name(node.op)}, {"inputs", node.inputs}};
  if (node.op == Op::conv || node.op == Op::linear) {
    json["outputs"] = node.output.channels;
    json["bias"] = node.bias;
  }
  if (node.op == Op::conv || node.op == Op::softmax || node.op == Op::matmul || node.op == Op::shuffle)
    json["groups"] = node.groups;
  if (node.op == Op::conv || node.op == Op::max_pool || node.op == Op::average_pool || node.op == Op::pad ||
      node.op == Op::resize)
    for (auto field : kWindowFields) json["window"].push_back(node.window.*field);
  if (node.op == Op::batch_norm || node.op == Op::layer_norm) json["epsilon"] = node.epsilon;
  if (node.op == Op::matmul) {
    json["transpose"] = node.transpose;
    json["factor"] = node.factor;
  }
  if (node.op == Op::pad) json["value"] = node.factor;
  if (node.counts_padding) json["counts_padding"] = true;
  if (node.op == Op::slice) {
    json["begin"] = node.begin;
    json["outputs"] = node.output.channels;
  }
  if (node.op == Op::function) {
    json["function"] = quant::function_name(node.function);
    json["alpha"] = bound_json(node.alpha);
    json["beta"] = bound_json(node.beta);
  }
  return json;
}

Json network_json(const quant::NetworkInfo& network) {
  const quant::Shape input = network.nodes.front().output;
  Json json{{"name", network.name}, {"input", {input.channels, input.height, input.width}}};
  json["nodes"] = Json::array();
  for (std::size_t i = 1; i < network.nodes.size(); ++i) {
    const Node& node = network.nodes[i];
    json["nodes"].push_back(node_json(node));
    const quant::Shape from = network.nodes[static_cast<std::size_t>(node.inputs[0])].output;
    if (node.op == Op::pad && quant::padded_input(node, from) != from) json["nodes"].back()["row"] = true;
  }
  return json;
}

bool is_per_channel(const quant::Encoded& weights) {
  return weights.options.slicing.grain == quant::Grain::channel;
}

Json weights_json(const DeployedStep& deployed, NumberStore& numbers) {
  if (deployed.weights) {
    const std::vector<std::uint8_t> packed = quant::pack(*deployed.weights);
    return array_json({reinterpret_cast<const char*>(packed.data()), packed.size()}, numbers);
  }
  const quant::LayerNumbers& layer = deployed.layer;
  return layer.weights.empty() ? floats_json(layer.float_weights, numbers)
                               : array_json(pack_bits(layer.weights, deployed.step.bits.weight), numbers);
}

Json step_json(const DeployedModel& model, const DeployedStep& deployed, NumberStore& numbers) {
  Json json{{"key", deployed.step.shape_key(model.network)}};
  if (deployed.step.kind == quant::StepKind::layer) {
    const quant::LayerNumbers& layer = deployed.layer;
    json["weights"] = weights_json(deployed, numbers);
    if (deployed.weights) json["scales"] = is_per_channel(*deployed.weights) ? "channel" : "tensor";
    json["multiplier"] = floats_json(layer.multiplier, numbers);
    json["bias"] = floats_json(layer.bias, numbers);
    json["low"] = bound_json(layer.low);
    json["high"] = bound_json(layer.high);
    if (deployed.output_scale > 0) json["output_scale"] = deployed.output_scale;
    if (!deployed.weight_scales.empty()) json["weight_scales"] = floats_json(deployed.weight_scales, numbers);
    return json;
  }
  const quant::StepNumbers& other = deployed.other;
  if (deployed.step.to != quant::Storage::f32) {
    json["scale"] = other.scale;
    json["range"] = {other.range.low, other.range.high};
  }
  if (deployed.step.from != quant::Storage::f32) json["in_scale"] = other.in_scale;
  if (deployed.step.second_from != quant::Storage::f32) json["second_scale"] = other.second_scale;
  const quant::StepParameters has = quant::step_parameters(deployed.step);
  if (has.multiplier > 0) json["multiplier"] = floats_json(other.multiplier, numbers);
  if (has.bias > 0) json["bias"] = floats_json(other.bias, numbers);
  json["high"] = bound_json(other.high);
  return json;
}

}  // namespace

std::uint64_t NumberStore::add(std::string_view array) {
  bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
  const std::uint64_t offset = bytes_.size();
  bytes_ += array;
  return offset;
}

std::string describe_model(const DeployedModel& model, NumberStore& numbers) {
  Json json;
  json["network"] = network_json(model.network);
  std::vector<std::string> kernels(model.network.layers.size());
  for (const DeployedStep& deployed : model.steps)
    if (deployed.step.kind == quant::StepKind::layer)
      kernels[static_cast<std::size_t>(deployed.step.layer)] = deployed.step.kernel;
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < kernels.size(); ++i)
    json["layers"].push_back(
        {{"name", model.network.layers[i].name},
         {"weight_bits", quant::format_json<Json>(model.policy.layers[i].weight)},
         {"activation_bits", quant::format_json<Json>(model.policy.layers[i].activation)},
         {"kernel", kernels[i]}});
  const bool dynamic = std::ranges::any_of(
      model.steps, [](const DeployedStep& deployed) { return deployed.step.dynamic_bits > 0; });
  if (dynamic) json["activations"] = "dynamic";
  json["steps"] = Json::array();
  for (const DeployedStep& step : model.steps) json["steps"].push_back(step_json(model, step, numbers));
  json["input"] = {{"mean", model.input.normalization.mean},
                   {"deviation", model.input.normalization.deviation},
                   {"pad", model.input.pad}};
  write_preparation(model.input, json["input"]);
  json["provenance"] = Json::object();
  for (const auto& [what, value] : model.provenance) json["provenance"][what] = value;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitsmith::trainer
