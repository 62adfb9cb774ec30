// Pairs of QuantizeLinear and DequantizeLinear: as bits and scales of the layers that read them, and as nodes
// of the network where others do.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ranges>

#include "quant/quantizer.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr int kNodeBits = 8;  // of quant::Op::quantize

/// Operators whose rules leave their input behind a pair of quantizers where it was: they move elements, or
/// choose among them.
constexpr std::string_view kCarriers[] = {"DequantizeLinear", "Relu",    "MaxPool",   "Identity",
                                          "Dropout",          "Cast",    "Reshape",   "Flatten",
                                          "Transpose",        "Squeeze", "Unsqueeze", "Expand"};

bool is_carrier(const onnx::Node& node) {
  return std::ranges::find(kCarriers, node.op) != std::end(kCarriers);
}

bool has_level_bits(const ImportedValue& weight) { return weight.bits > 0 && weight.bits <= kNodeBits; }

/// The bits of a layer whose input, of that sign, is clipped and rounded just as the quantizer does; 0: none.
int exact_bits(const ImportedQuantizer& quantizer, bool is_signed) {
  for (int bits = is_signed ? 2 : 1; bits <= kNodeBits; ++bits) {
    const quant::IntegerRange range = quant::integer_range(bits, is_signed);
    if (range.high == quantizer.highest && (!is_signed || range.low <= quantizer.lowest + 1)) return bits;
  }
  return 0;
}

}  // namespace

void Importer::check_scales(const onnx::Node& node) const {
  if (!input(node, 1).constant) return;
  for (const float scale : reals(node, 1))
    if (!(scale > 0) || std::isinf(scale))
      throw Unsupported{fmt::format("a scale is {}: it must be a finite number above 0", scale)};
}

ImportedQuantizer Importer::quantizer_of(const onnx::Node& node) const {
  if (reals(node, 1).size() != 1) throw Unsupported{"one scale for a tensor of activations is supported"};
  const ElementType type = has_input(node, 2) ? input(node, 2).tensor.type : ElementType::uint8;
  const bool is_signed = type == ElementType::int8 || type == ElementType::int4;
  if (!is_signed && type != ElementType::uint8 && type != ElementType::uint4)
    throw Unsupported{fmt::format("to {}; integers of 4 and 8 bits are supported", element_type_name(type))};
  ImportedQuantizer quantizer;
  quantizer.scale = scalar(node, 1);
  quantizer.bits = element_bits(type);
  const int zero = has_input(node, 2) ? static_cast<int>(scalar(node, 2)) : 0;
  quantizer.lowest = (is_signed ? -(1 << (quantizer.bits - 1)) : 0) - zero;
  quantizer.highest = quantizer.lowest + (1 << quantizer.bits) - 1;
  quantizer.zero_point = zero;
  return quantizer;
}

bool Importer::is_quantized_layer(const onnx::Node& node) const {
  if (node.op != "Conv" && node.op != "Gemm" && node.op != "MatMul") return false;
  if (!has_input(node, 1)) return false;
  const auto weight = values_.find(node.inputs[1]);
  return weight != values_.end() && weight->second.constant && has_level_bits(weight->second);
}

void Importer::find_quantizers(const std::vector<const onnx::Node*>& nodes) {
  for (const onnx::Node* node : nodes) {
    quantizes_ |= is_quantized_layer(*node);
    if (node->op != "QuantizeLinear") continue;
    result_.has_quantizers = true;
    const bool constants =
        std::ranges::all_of(node->inputs | std::views::drop(1),
                            [&](const std::string& name) { return name.empty() || values_.contains(name); });
    try {
      if (constants) quantizers_[node] = quantizer_of(*node);
    } catch (const Unsupported&) {  // told when it is translated
    }
  }
}

Importer::QuantizerReaders Importer::readers_of(const std::string& tensor,
                                                const ImportedQuantizer& quantizer) const {
  QuantizerReaders found;
  std::set<std::string_view> seen;
  std::vector<std::string_view> open;
  const auto follow = [&](std::string_view name) {
    if (name.empty() || !seen.insert(name).second) return;
    open.push_back(name);
    found.output |= name == graph_.outputs[0].name;
  };
  const auto is_the_same = [&](const onnx::Node& node) {
    const auto known = quantizers_.find(&node);
    return known != quantizers_.end() && known->second == quantizer;
  };
  // Also other pairs of the same tensor that say the same.
  for (const onnx::Node* node : consumers(tensor))
    if (node->inputs[0] == tensor && !node->outputs.empty() && is_the_same(*node)) follow(node->outputs[0]);
  while (!open.empty()) {
    const std::string_view name = open.back();
    open.pop_back();
    for (const onnx::Node* node : consumers(name)) {
      if (node->op == "Shape" || node->outputs.empty()) continue;
      const bool carries = node->inputs[0] == name && (is_carrier(*node) || is_the_same(*node));
      const bool is_layer = node->inputs[0] == name && is_quantized_layer(*node);
      if (carries) follow(node->outputs[0]);
      found.others |= !carries && !is_layer;
    }
  }
  return found;
}

const std::vector<const onnx::Node*>& Importer::consumers(std::string_view tensor) const {
  static const std::vector<const onnx::Node*> none;
  const auto found = consumers_.find(tensor);
  return found == consumers_.end() ? none : found->second;
}

void Importer::quantize(const onnx::Node& node) {
  ImportedValue x = settled(node, 0);
  const ImportedQuantizer quantizer = quantizer_of(node);
  if (x.quantizer != quantizer) {
    int source = x.node;
    while (net_->node(source).op == quant::Op::flatten) source = net_->node(source).inputs[0];
    std::vector<QuantizedTensor>& known = quantized_[source];
    const auto same = std::ranges::find_if(known, [&](const QuantizedTensor& t) {
      return t.tensor == node.inputs[0] && t.quantizer == quantizer;
    });
    if (same == known.end()) {
      const bool taken = std::ranges::any_of(
          known, [&](const QuantizedTensor& t) { return t.result == t.from && t.quantizer != quantizer; });
      const int result = quantized(node, x.node, quantizer, taken);
      known.push_back({node.inputs[0], x.node, quantizer, result});
      x.node = result;
    } else {
      x.node = same->result;
    }
    x.quantizer = quantizer;
  }
  x.levels = true;
  give(node, std::move(x));
}

/// The node to read in place of `from`. Layers round by themselves: for them alone, what is left to do is to
/// clip what they would not. A tensor that others read, or that layers read at another scale already
/// (`taken`), is rounded by a node of its own.
int Importer::quantized(const onnx::Node& node, int from, const ImportedQuantizer& quantizer, bool taken) {
  const auto clip = [&](int x) {
    return net_->function(name_for(node, "clip"), x, quant::Function::clip,
                          static_cast<float>(quantizer.lowest) * quantizer.scale,
                          static_cast<float>(quantizer.highest) * quantizer.scale);
  };
  const QuantizerReaders readers = readers_of(node.inputs[0], quantizer);
  int x = from;
  if (quantizer.lowest == 0 && net_->node(x).output_signed) x = net_->relu(name_for(node, "relu"), x);
  const bool is_signed = net_->node(x).output_signed;
  if (!readers.others && !readers.output && !(taken && x == from)) {
    const bool clips_enough = exact_bits(quantizer, is_signed) > 0 || (!is_signed && quantizer.highest > 0);
    return clips_enough ? x : clip(x);
  }
  const quant::IntegerRange range = quant::integer_range(kNodeBits, is_signed);
  const bool fits = quantizer.highest <= range.high && (!is_signed || quantizer.lowest >= range.low - 1);
  if (!quantizes_ || !fits) {
    if (readers.others || readers.output)
      result_.notes.push_back(fmt::format(
          "{}: where others than quantized layers read it, its rounding is left out: {}", node.title(),
          quantizes_ ? "its zero point is none that integers here have"
                     : "no layer's weights are quantized"));
    return clip(x);
  }
  if (quantizer.highest < range.high || (is_signed && quantizer.lowest > range.low)) x = clip(x);
  const std::string name = name_for(node);
  x = net_->quantize(name, x);
  result_.tensor_scales[name] = quantizer.scale;
  return readers.output ? clip(x) : x;  // what a network gives are real numbers
}

void Importer::dequantize(const onnx::Node& node) {
  const ImportedValue& x = input(node, 0);
  if (!x.constant) {
    ImportedValue same = settled(node, 0);
    if (!same.levels) throw Unsupported{"it reads no integers of a QuantizeLinear"};
    const float zero_point = has_input(node, 2) ? scalar(node, 2) : 0.0f;
    const bool alike = scalar(node, 1) == same.quantizer.scale &&
                       zero_point == static_cast<float>(same.quantizer.zero_point);
    if (same.quantizer.bits > 0 && !alike)
      throw Unsupported{"its scale or zero point is not that of the QuantizeLinear before it"};
    same.levels = false;
    return give(node, std::move(same));
  }
  if (!fold(node)) throw Unsupported{"of a constant, its scale and zero point are constants too"};
  ImportedValue& weight = values_.at(node.outputs[0]);
  weight.bits = x.tensor.type == ElementType::int32 ? 0 : element_bits(x.tensor.type);
  weight.scales = reals(node, 1);
}

void Importer::note_bits(const std::string& layer, const ImportedValue& x, const ImportedValue& weight) {
  if (!has_level_bits(weight)) return;  // no kernel multiplies real weights by integers
  ImportedBits bits;
  bits.weight_bits = weight.bits;
  bits.weight_scales = weight.scales;
  if (x.quantizer.bits > 0) note_activation(layer, x, bits);
  result_.bits[layer] = bits;
}

/// Integers here are symmetric, or begin at 0 where nothing is negative: a zero point elsewhere is left out,
/// and the scale is widened to reach as far. An int8 of what is never negative has 7 bits.
void Importer::note_activation(const std::string& layer, const ImportedValue& x, ImportedBits& bits) {
  const bool is_signed = net_->node(x.node).output_signed;
  const ImportedQuantizer& quantizer = x.quantizer;
  bits.activation_scale = quantizer.scale;
  bits.activation_bits = exact_bits(quantizer, is_signed);
  if (bits.activation_bits > 0) return;
  bits.activation_bits = quantizer.bits;
  const quant::IntegerRange range = quant::integer_range(quantizer.bits, is_signed);
  const int furthest = is_signed ? std::max(quantizer.highest, -quantizer.lowest) : quantizer.highest;
  if (furthest > 0) bits.activation_scale *= static_cast<float>(furthest) / static_cast<float>(range.high);
  result_.notes.push_back(fmt::format(
      "{}: the zero point of its input is left out, as integers here are symmetric or begin at 0: outputs "
      "differ by more than rounding",
      layer));
}

/// Scales of weights that are no such integers (a zero point, another axis) are left to be found.
void Importer::keep_exact_weight_scales() {
  constexpr float kRounding = 1e-3f;
  for (auto& [layer, bits] : result_.bits) {
    if (bits.weight_bits > 8 || bits.weight_scales.empty()) continue;
    const std::vector<float>& weights = result_.numbers.at(layer + ".weight");
    const int outputs =
        result_.info.layers[static_cast<std::size_t>(result_.info.find_layer(layer))].output.channels;
    const std::size_t scales = bits.weight_scales.size();
    bool exact = (scales == 1 || scales == static_cast<std::size_t>(outputs)) &&
                 std::ranges::all_of(bits.weight_scales, [](float s) { return std::isnormal(s) && s > 0; });
    const auto highest = static_cast<float>(quant::integer_range(bits.weight_bits, true).high);
    const std::size_t each = weights.size() / scales;
    for (std::size_t i = 0; exact && i < weights.size(); ++i) {
      const float level = weights[i] / bits.weight_scales[i / each];
      exact = std::abs(level - std::round(level)) < kRounding && std::abs(level) < highest + kRounding;
    }
    if (exact) continue;
    bits.weight_scales.clear();
    result_.notes.push_back(fmt::format(
        "{}: its weights are no multiples of one scale for each output, of at most {} levels to each side: "
        "their scales are found anew",
        layer, highest));
  }
}

}  // namespace bitsmith::trainer::onnx
