// Operators of elements.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool all_are(const std::vector<float>& values, float what) {
  return std::ranges::all_of(values, [&](float value) { return value == what; });
}

}  // namespace

void Importer::scale_by(const onnx::Node& node, const ImportedValue& value, std::vector<float> factors,
                        std::vector<float> summands) {
  ImportedValue same = value;
  if (all_are(factors, 1) && all_are(summands, 0)) return give(node, std::move(same));
  const std::string name = name_for(node);
  const int made = net_->scale(name, value.node);
  set_numbers(name + ".weight", std::move(factors));
  set_numbers(name + ".bias", std::move(summands));
  give(node, made, value.layout);
}

/// factor * x + sign * constant
void Importer::add_constant(const onnx::Node& node, const ImportedValue& value, const ImportedValue& constant,
                            float sign, float factor) {
  std::vector<float> summands = per_channel(constant.tensor, value.layout);
  if (!summands.empty()) {
    for (float& summand : summands) summand *= sign;
    const quant::Node& made_by = net_->node(value.node);
    const bool behind_layer = made_by.op == quant::Op::conv || made_by.op == quant::Op::linear;
    // A layer's bias that the file adds apart.
    if (factor == 1 && behind_layer && !made_by.bias && is_read_once(value.node)) {
      net_->add_bias(value.node);
      set_numbers(made_by.name + ".bias", std::move(summands), constant.weight);
      ImportedValue same = value;
      return give(node, std::move(same));
    }
    std::vector<float> factors(summands.size(), factor);
    return scale_by(node, value, std::move(factors), std::move(summands));
  }
  std::vector<float> all = per_element(constant.tensor, value.layout, net_->shape(value.node));
  if (all.empty() || factor != 1)
    throw Unsupported{fmt::format("a constant of {} and a tensor of {}", show(constant.tensor.dims),
                                  show(value.layout.shape()))};
  for (float& summand : all) summand *= sign;
  // Positions that are added to what class tokens were added to.
  if (const quant::Node& made_by = net_->node(value.node);
      made_by.op == quant::Op::position && is_read_once(value.node)) {
    std::vector<float>& before = result_.numbers.at(made_by.name + ".weight");
    std::ranges::transform(before, all, before.begin(), std::plus<>());
    ImportedValue same = value;
    return give(node, std::move(same));
  }
  const std::string name = name_for(node);
  const int made = net_->position(name, value.node);
  set_numbers(name + ".weight", std::move(all), constant.weight);
  give(node, made, value.layout);
}

void Importer::add(const onnx::Node& node) {
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}})
    if (input(node, k).constant) return add_constant(node, settled(node, 1 - k), input(node, k), 1, 1);
  const ImportedValue a = settled(node, 0), b = settled(node, 1);
  if (a.layout.merged() != b.layout.merged())
    throw Unsupported{fmt::format("it adds {} and {}, which are not of one shape and order",
                                  show(a.layout.shape()), show(b.layout.shape()))};
  give(node, net_->add(name_for(node), a.node, b.node), a.layout.merged());
}

void Importer::subtract(const onnx::Node& node) {
  if (input(node, 1).constant) return add_constant(node, settled(node, 0), input(node, 1), -1, 1);
  if (input(node, 0).constant) return add_constant(node, settled(node, 1), input(node, 0), 1, -1);
  const ImportedValue a = settled(node, 0), b = settled(node, 1);
  if (a.layout.merged() != b.layout.merged())
    throw Unsupported{fmt::format("it subtracts {} from {}, which are not of one shape and order",
                                  show(b.layout.shape()), show(a.layout.shape()))};
  const auto channels = static_cast<std::size_t>(b.layout.channels());
  const std::string name = name_for(node, "negative");
  const int negative = net_->scale(name, b.node);
  set_numbers(name + ".weight", std::vector<float>(channels, -1.0f));
  set_numbers(name + ".bias", std::vector<float>(channels, 0.0f));
  give(node, net_->add(name_for(node), a.node, negative), a.layout.merged());
}

void Importer::multiply(const onnx::Node& node) {
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
    if (!input(node, k).constant) continue;
    const ImportedValue x = settled(node, 1 - k);
    std::vector<float> factors = per_channel(input(node, k).tensor, x.layout);
    if (factors.empty())
      throw Unsupported{
          fmt::format("a constant of {} and a tensor of {}: one factor, or one for each channel, is "
                      "supported",
                      show(input(node, k).tensor.dims), show(x.layout.shape()))};
    std::vector<float> zeros(factors.size(), 0.0f);
    return scale_by(node, x, std::move(factors), std::move(zeros));
  }
  ImportedValue a = settled(node, 0), b = settled(node, 1);
  a.layout = a.layout.merged();
  b.layout = b.layout.merged();
  // x * sigmoid(x), whichever comes first.
  for (const bool swapped : {false, true}) {
    const ImportedValue &x = swapped ? b : a, &gate = swapped ? a : b;
    const quant::Node& made_by = net_->node(gate.node);
    const bool is_sigmoid = made_by.op == quant::Op::function && made_by.function == quant::Function::sigmoid;
    if (a.layout == b.layout && is_sigmoid && made_by.inputs[0] == x.node && is_read_once(gate.node)) {
      net_->change_function(gate.node, quant::Function::silu);
      return give(node, gate.node, gate.layout);
    }
  }
  if (a.layout != b.layout) {
    if (b.layout.pixels() != 1) std::swap(a, b);
    const bool gate = b.layout.pixels() == 1 && b.layout.dims.size() == a.layout.dims.size() &&
                      a.layout.pooled() == b.layout;
    if (!gate)
      throw Unsupported{fmt::format("it multiplies {} and {}: one shape, or one pixel for all, is supported",
                                    show(a.layout.shape()), show(b.layout.shape()))};
  }
  give(node, net_->multiply(name_for(node), a.node, b.node), a.layout);
}

void Importer::divide(const onnx::Node& node) {
  if (!input(node, 1).constant) throw Unsupported{"it divides by a computed tensor; a constant is supported"};
  const ImportedValue x = settled(node, 0);
  std::vector<float> factors = per_channel(input(node, 1).tensor, x.layout);
  if (factors.empty()) throw Unsupported{"it divides by more than one number for each channel"};
  for (float& factor : factors) {
    if (factor == 0) throw Unsupported{"it divides by 0"};
    factor = 1.0f / factor;
  }
  std::vector<float> zeros(factors.size(), 0.0f);
  scale_by(node, x, std::move(factors), std::move(zeros));
}

void Importer::unary(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const std::string name = name_for(node);
  const auto of = [&](quant::Function function, float alpha = 0, float beta = 0) {
    give(node, net_->function(name, x.node, function, alpha, beta), x.layout);
  };
  if (node.op == "Relu") {
    ImportedValue y = x;  // integers stay integers
    y.node = net_->relu(name, x.node);
    return give(node, std::move(y));
  }
  if (node.op == "LeakyRelu") return of(quant::Function::leaky_relu, node.real("alpha", 0.01f));
  if (node.op == "Sigmoid") return of(quant::Function::sigmoid);
  if (node.op == "HardSigmoid")
    return of(quant::Function::hard_sigmoid, node.real("alpha", 0.2f), node.real("beta", 0.5f));
  if (node.op == "HardSwish") return of(quant::Function::hard_swish);
  if (node.op == "Erf") return of(quant::Function::erf);
  give(node, net_->gelu(name, x.node), x.layout);
}

void Importer::clip(const onnx::Node& node) {
  float low = node.real("min", -kInfinity), high = node.real("max", kInfinity);
  if (model_.opset >= 11) {
    if (has_input(node, 1)) low = scalar(node, 1);
    if (has_input(node, 2)) high = scalar(node, 2);
  }
  const ImportedValue x = settled(node, 0);
  const std::string name = name_for(node);
  const int made = low == 0 && high == 6 ? net_->relu6(name, x.node)
                   : low == 0 && high == kInfinity
                       ? net_->relu(name, x.node)
                       : net_->function(name, x.node, quant::Function::clip, low, high);
  give(node, made, x.layout);
}

void Importer::prelu(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  if (!input(node, 1).constant) throw Unsupported{"its slope is computed; a constant is supported"};
  std::vector<float> slopes = per_channel(input(node, 1).tensor, x.layout);
  if (slopes.empty()) throw Unsupported{"its slope is not one for each channel"};
  const std::string name = name_for(node, initializer(node, 1));
  const int made = net_->prelu(name, x.node);
  set_numbers(name + ".weight", std::move(slopes), input(node, 1).weight);
  give(node, made, x.layout);
}

void Importer::softmax(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const int rank = static_cast<int>(x.layout.dims.size());
  std::int64_t axis = node.integer("axis", model_.opset >= 13 ? -1 : 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) throw Unsupported{fmt::format("axis: got {}", axis)};
  if (model_.opset < 13)
    for (int d = static_cast<int>(axis) + 1; d < rank; ++d)
      if (x.layout.size(d) != 1)
        throw Unsupported{"before opset 13 it is over all dimensions from its axis on"};
  if (!x.layout.is_innermost(static_cast<int>(axis)))
    throw Unsupported{"it is supported over the innermost channels"};
  const std::int64_t runs = x.layout.channels() / x.layout.size(static_cast<int>(axis));
  give(node, net_->softmax(name_for(node), x.node, static_cast<int>(runs)), x.layout);
}

}  // namespace bitsmith::trainer::onnx
