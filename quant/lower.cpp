#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/plan.hpp"
#include "quant/row_pad.hpp"
#include "quant/serving.hpp"

namespace bitsmith::quant {
namespace {

class FirstCapableKernel final : public KernelChooser {
 public:
  std::string choose(const LayerInfo& layer, const Step& step) const override {
    for (const KernelRow& row : kernel_rows())
      if (row.serves(layer, step.bits, step.from, step.to)) return std::string(row.name);
    throw base::InternalError(fmt::format("no kernel serves layer '{}' at w{}a{}, {} -> {}", layer.name,
                                          step.bits.weight, step.bits.activation, storage_name(step.from),
                                          storage_name(step.to)));
  }
};

class Lowering {
 public:
  Lowering(const NetworkInfo& network, const Policy& policy, const KernelChooser& chooser,
           ActivationScales scales)
      : network_(network),
        chooser_(chooser),
        dynamic_(scales == ActivationScales::dynamic),
        readers_(network.consumers()),
        made_by_(network.nodes.size()) {
    plan_.network = &network;
    plan_.policy = policy;
    for (std::size_t i = 0; i < network.layers.size(); ++i)
      layer_at_[network.layers[i].node] = static_cast<int>(i);
    quantizes_ = policy.quantizes();
  }

  Plan run() && {
    made_by_[0] = Step::kNetworkInput;
    std::vector<bool> fused(network_.nodes.size(), false);
    for (int node = 1; node < static_cast<int>(network_.nodes.size()); ++node) {
      if (fused[at(node)]) continue;
      if (changes_nothing(node)) {
        made_by_[at(node)] = made_by_[at(input_of(node))];
        continue;
      }
      Step step = node_at(node).op == Op::conv || node_at(node).op == Op::linear ? layer_step(node)
                                                                                 : other_step(node);
      const int index = static_cast<int>(plan_.steps.size());
      for (int part = node; part != step.result; part = readers_[at(part)][0])
        fused[at(readers_[at(part)][0])] = true;
      made_by_[at(node)] = made_by_[at(step.result)] = index;
      plan_.steps.push_back(std::move(step));
    }
    return std::move(plan_);
  }

 private:
  static std::size_t at(int index) { return static_cast<std::size_t>(index); }
  const Node& node_at(int node) const { return network_.nodes[at(node)]; }
  int input_of(int node) const { return node_at(node).inputs[0]; }

  /// Whether a node's value lies in memory just as its input does.
  bool changes_nothing(int node) const {
    if (node_at(node).op == Op::quantize) return !quantizes_;
    const Shape& input = node_at(input_of(node)).output;
    return node_at(node).op == Op::flatten && (input.channels == 1 || input.height * input.width == 1);
  }

  /// The one reader of a node, or -1 if there is none, or more.
  int only_reader(int node) const { return readers_[at(node)].size() == 1 ? readers_[at(node)][0] : -1; }

  bool is_relu(int node) const {
    return node >= 0 && (node_at(node).op == Op::relu || node_at(node).op == Op::relu6);
  }

  void fuse_relu(Step& step) const {
    const int reader = only_reader(step.result);
    if (!is_relu(reader)) return;
    step.fused_relu = true;
    step.activation = step.result = reader;
  }

  Format activation_of(int layer) const { return plan_.policy.layers[at(layer)].activation; }
  Storage storage_read_by(int layer) const {
    return input_storage(network_.layers[at(layer)], {kFloatBits, activation_of(layer).code()});
  }

  /// The quantized layer that alone reads a node's value, directly or through max pooling and flattening,
  /// which commute with quantization; -1 if there is none.
  int only_quantized_reader(int node) const {
    for (int reader = only_reader(node); reader >= 0; reader = only_reader(reader)) {
      if (const auto found = layer_at_.find(reader); found != layer_at_.end())
        return activation_of(found->second).is_float() ? -1 : found->second;
      if (node_at(reader).op != Op::max_pool && node_at(reader).op != Op::flatten) return -1;
    }
    return -1;
  }

  Storage storage_of(int step) const {
    return step == Step::kNetworkInput ? Storage::f32 : plan_.steps[at(step)].to;
  }

  bool is_tensor(int step) const { return step != Step::kNetworkInput && plan_.steps[at(step)].tensor >= 0; }

  /// A quantize step behind `source`, one for each number of bits.
  int converted(int source, int bits, Storage to, int scale_of) {
    const auto [place, is_new] = quantized_.try_emplace({source, bits}, 0);
    if (is_new) {
      Step step;
      step.kind = StepKind::quantize;
      step.node = step.result = source == Step::kNetworkInput ? 0 : plan_.steps[at(source)].result;
      step.input = step.output = node_at(step.node).output;
      step.from = storage_of(source);
      step.to = to;
      step.first = source;
      step.scale_of = scale_of;
      place->second = static_cast<int>(plan_.steps.size());
      plan_.steps.push_back(std::move(step));
    }
    return place->second;
  }

  /// The step that gives the value of `node` as the integers that `layer` reads.
  int quantized(int node, int layer) {
    const int source = made_by_[at(node)];
    const int bits = activation_of(layer).code();
    // Written for this layer alone, or 8 bits for all.
    if (storage_of(source) != Storage::f32 && (!is_tensor(source) || bits == 8)) return source;
    return converted(source, bits, storage_read_by(layer), layer);
  }

  /// What a layer whose kernel reads `from` reads: with decoded weights, the values of its integers.
  int input_of_layer(int node, int layer, Storage from) {
    if (dynamic_ || activation_of(layer).is_float()) return as_floats(node);
    const int integers = quantized(node, layer);
    return from == Storage::f32 ? converted(integers, kFloatBits, Storage::f32, -1) : integers;
  }

  int as_floats(int node) {
    const int source = made_by_[at(node)];
    return storage_of(source) == Storage::f32 ? source : converted(source, kFloatBits, Storage::f32, -1);
  }

  /// Lets a step that can give integers give those of its only reader.
  void fuse_quantization(Step& step) const {
    if (dynamic_) return;
    const int reader = only_reader(step.result);
    if (quantizes_ && reader >= 0 && node_at(reader).op == Op::quantize) {
      step.tensor = step.result = reader;
      step.to = node_at(reader).output_signed ? Storage::s8 : Storage::u8;
      return;
    }
    const int target = only_quantized_reader(step.result);
    if (target < 0) return;
    step.to = storage_read_by(target);
    step.scale_of = target;
    step.clamped = step.kind == StepKind::layer && step.to == Storage::u8 && activation_of(target).code() < 8;
  }

  Step layer_step(int node) {
    Step step;
    step.node = step.result = node;
    step.layer = layer_at_.at(node);
    const LayerInfo& layer = network_.layers[at(step.layer)];
    step.bits = kernel_bits(plan_.policy.layers[at(step.layer)]);
    if (dynamic_ && !activation_of(step.layer).is_float())
      step.dynamic_bits = activation_of(step.layer).code();
    step.input = layer.input;
    step.output = layer.output;
    step.from = step.dynamic_bits > 0 ? Storage::f32 : input_storage(layer, step.bits);
    step.first = input_of_layer(input_of(node), step.layer, step.from);
    const int reader = only_reader(node);
    if (reader >= 0 && node_at(reader).op == Op::batch_norm) step.batch_norm = step.result = reader;
    fuse_relu(step);
    if (step.from != Storage::f32) fuse_quantization(step);
    Step multiplied = step;
    multiplied.from = input_storage(layer, step.bits);
    step.kernel = chooser_.choose(layer, multiplied);
    return step;
  }

  /// Of integers where both operands are.
  Step matmul_step(Step step) {
    const Node& info = node_at(step.node);
    step.kind = StepKind::matmul;
    step.second_input = node_at(info.inputs[1]).output;
    step.groups = info.groups;
    step.transpose = info.transpose;
    const bool integers = storage_of(made_by_[at(info.inputs[0])]) != Storage::f32 &&
                          storage_of(made_by_[at(info.inputs[1])]) != Storage::f32;
    step.first = integers ? made_by_[at(info.inputs[0])] : as_floats(info.inputs[0]);
    step.second = integers ? made_by_[at(info.inputs[1])] : as_floats(info.inputs[1]);
    step.from = storage_of(step.first);
    step.second_from = storage_of(step.second);
    fuse_quantization(step);
    return step;
  }

  Step other_step(int node) {
    const Node& info = node_at(node);
    Step step;
    step.node = step.result = node;
    step.input = node_at(input_of(node)).output;
    step.output = info.output;
    step.window = info.window;
    if (info.op == Op::pad) step.input = padded_input(info, step.input);
    switch (info.op) {
      case Op::batch_norm:
      case Op::scale:
        step.kind = StepKind::batch_norm;
        step.first = as_floats(input_of(node));
        return step;
      case Op::layer_norm:
      case Op::gelu:
      case Op::softmax:
      case Op::position:
      case Op::function:
      case Op::prelu:
        step.kind = info.op == Op::layer_norm ? StepKind::layer_norm
                    : info.op == Op::gelu     ? StepKind::gelu
                    : info.op == Op::softmax  ? StepKind::softmax
                    : info.op == Op::position ? StepKind::position
                    : info.op == Op::function ? StepKind::function
                                              : StepKind::prelu;
        if (info.op == Op::softmax) step.groups = info.groups;
        step.function = info.function;
        step.first = as_floats(input_of(node));
        fuse_quantization(step);
        return step;
      case Op::matmul:
        return matmul_step(std::move(step));
      case Op::multiply:
      case Op::concat:
        step.kind = info.op == Op::multiply ? StepKind::multiply : StepKind::concat;
        step.second_input = node_at(info.inputs[1]).output;
        step.first = as_floats(info.inputs[0]);
        step.second = as_floats(info.inputs[1]);
        fuse_quantization(step);
        return step;
      case Op::relu:
      case Op::relu6:
        step.kind = StepKind::relu;
        step.first = as_floats(input_of(node));
        return step;
      default:
        break;
    }
    step.first = made_by_[at(input_of(node))];
    step.from = storage_of(step.first);
    switch (info.op) {
      case Op::pad:
        // No integer stands for another value than 0 exactly.
        if (info.factor != 0) {
          step.first = as_floats(input_of(node));
          step.from = Storage::f32;
        }
        [[fallthrough]];
      case Op::max_pool:
      case Op::flatten:
      case Op::slice:
      case Op::shuffle:
      case Op::resize:
        step.kind = info.op == Op::max_pool  ? StepKind::max_pool
                    : info.op == Op::flatten ? StepKind::flatten
                    : info.op == Op::slice   ? StepKind::slice
                    : info.op == Op::shuffle ? StepKind::shuffle
                    : info.op == Op::resize  ? StepKind::resize
                                             : StepKind::pad;
        step.groups = info.op == Op::shuffle ? info.groups : 1;
        step.begin = info.begin;
        step.to = step.from;
        if (step.to != Storage::f32) {
          step.scale_of = plan_.steps[at(step.first)].scale_of;
          step.tensor = plan_.steps[at(step.first)].tensor;
        }
        break;
      case Op::average_pool:
        step.kind = StepKind::average_pool;
        step.counts_padding = info.counts_padding;
        fuse_quantization(step);
        break;
      case Op::global_average_pool:
        step.kind = StepKind::global_average_pool;
        fuse_quantization(step);
        break;
      case Op::add:
        step.kind = StepKind::add;
        step.second = made_by_[at(info.inputs[1])];
        step.second_from = storage_of(step.second);
        fuse_relu(step);
        fuse_quantization(step);
        break;
      case Op::quantize:
        step.kind = StepKind::quantize;
        step.to = info.output_signed ? Storage::s8 : Storage::u8;
        step.tensor = node;
        break;
      default:
        throw base::InternalError(fmt::format("{}: cannot lower a {}", info.name, op_name(info.op)));
    }
    return step;
  }

  const NetworkInfo& network_;
  const KernelChooser& chooser_;
  bool dynamic_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> made_by_;                      ///< node -> step that leaves its value behind
  std::map<int, int> layer_at_;                   ///< node -> layer
  std::map<std::pair<int, int>, int> quantized_;  ///< (source step, bits) -> quantize step
  bool quantizes_ = false;                        ///< anything at all
  Plan plan_;
};

}  // namespace

const KernelChooser& first_capable_kernel() {
  static const FirstCapableKernel chooser;
  return chooser;
}

Plan lower(const NetworkInfo& network, const Policy& policy, const KernelChooser& chooser,
           ActivationScales scales) {
  validate_policy(network, policy);
  if (scales == ActivationScales::dynamic && !network.quantize_nodes().empty())
    throw base::UserError(
        fmt::format("network '{}': its quantize nodes (integer joins, or operands of matrix products) have "
                    "fixed scales and do not go with dynamic activations",
                    network.name));
  return Lowering(network, policy, chooser, scales).run();
}

}  // namespace bitsmith::quant
