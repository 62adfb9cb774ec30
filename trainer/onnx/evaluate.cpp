#include "trainer/onnx/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_map>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "trainer/onnx/operators/call.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

std::vector<Tensor> compute_checked(const OperatorRow& row, const Node& node, std::int64_t opset,
                                    std::span<const Tensor* const> inputs, std::int64_t most_elements,
                                    Budget* budget) {
  if (node.outputs.empty()) fail("it has no outputs");
  std::vector<Tensor> outputs(node.outputs.size());
  std::vector<const Tensor*> wide(inputs.begin(), inputs.end());
  std::vector<Tensor> widened(inputs.size());
  ElementType half = ElementType::undefined;
  if (row.widens_halves) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i] || !is_half(inputs[i]->type)) continue;
      if (half == ElementType::undefined) half = inputs[i]->type;
      widened[i] = widen_half(*inputs[i]);
      wide[i] = &widened[i];
    }
  }
  const OperatorCall call{node, opset, wide, outputs, most_elements, budget};
  for (const Tensor* tensor : inputs)
    if (tensor) take_operations(call, static_cast<double>(tensor->elements()));
  row.compute(call);
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    if (!node.outputs[o].empty() && outputs[o].type == ElementType::undefined)
      fail(fmt::format("it has no output {}", o));
    if (half != ElementType::undefined && outputs[o].type == ElementType::float32)
      outputs[o] = narrow_to_half(outputs[o], half);
  }
  return outputs;
}

void check_input(const Value& value, const Tensor& tensor, std::map<std::string, std::int64_t>& named) {
  const auto refuse = [&](const std::string& why) {
    throw base::UserError(fmt::format("input {} {}", shown(value.name), why));
  };
  if (value.type != ElementType::undefined && tensor.type != value.type)
    refuse(fmt::format("must be {}, not {}", element_type_name(value.type), element_type_name(tensor.type)));
  if (!value.has_shape) return;
  bool is_fit = tensor.dims.size() == value.dims.size();
  for (std::size_t d = 0; is_fit && d < value.dims.size(); ++d)
    is_fit = value.dims[d] == -1 || value.dims[d] == tensor.dims[d];
  if (!is_fit) refuse(fmt::format("must be {}, not {}", show(value.dims), show(tensor.dims)));
  for (std::size_t d = 0; d < value.dim_names.size(); ++d) {
    if (value.dim_names[d].empty()) continue;
    const auto [known, is_new] = named.emplace(value.dim_names[d], tensor.dims[d]);
    if (known->second != tensor.dims[d])
      refuse(fmt::format("has {} as {}, another has {}", tensor.dims[d], shown(value.dim_names[d]),
                         known->second));
  }
}

/// Tensors by name, each until its last reader is done.
class Values {
 public:
  Values(const Graph& graph, const std::map<std::string, Tensor>& inputs) {
    for (const auto& [name, tensor] : graph.initializers) borrowed_[name] = &tensor;
    for (const Value& input : graph.inputs) borrowed_[input.name] = &inputs.at(input.name);
    for (const Node& node : graph.nodes)
      for (const std::string& name : node.inputs) ++readers_[name];
    for (const Value& output : graph.outputs) ++readers_[output.name];
  }

  const Tensor* find(const std::string& name) const {
    if (const auto found = borrowed_.find(name); found != borrowed_.end()) return found->second;
    const auto found = owned_.find(name);
    return found == owned_.end() ? nullptr : &found->second;
  }
  void give(const std::string& name, Tensor tensor) {
    if (name.empty() || !readers_.contains(name)) return;
    bytes_ += static_cast<std::int64_t>(tensor.bytes.size());
    owned_[name] = std::move(tensor);
  }
  void release(const std::string& name) {
    if (--readers_[name] > 0) return;
    const auto found = owned_.find(name);
    if (found == owned_.end()) return;
    bytes_ -= static_cast<std::int64_t>(found->second.bytes.size());
    owned_.erase(found);
  }
  /// Of all that are kept, without inputs and initializers.
  std::int64_t bytes() const { return bytes_; }

 private:
  std::unordered_map<std::string, const Tensor*> borrowed_;
  std::unordered_map<std::string, Tensor> owned_;
  std::unordered_map<std::string, int> readers_;
  std::int64_t bytes_ = 0;
};

void check_inputs(const Graph& graph, const std::map<std::string, Tensor>& inputs) {
  std::vector<std::string> names;
  for (const Value& input : graph.inputs) names.push_back(printable(input.name));
  for (const auto& [name, tensor] : inputs)
    if (std::ranges::find(graph.inputs, name, &Value::name) == graph.inputs.end())
      throw base::UserError(fmt::format("the model has no input {}{} (it has {})", shown(name),
                                        base::did_you_mean(name, names), base::join_names(names)));
  std::map<std::string, std::int64_t> named;
  for (const Value& input : graph.inputs) {
    const auto found = inputs.find(input.name);
    if (found == inputs.end()) throw base::UserError(fmt::format("input {} is missing", shown(input.name)));
    check_input(input, found->second, named);
  }
}

}  // namespace

std::vector<Tensor> compute_node(const Node& node, std::int64_t opset, std::span<const Tensor* const> inputs,
                                 std::int64_t most_elements, Budget* budget) {
  const OperatorRow* row = find_operator(node.domain, node.op);
  if (!row) throw base::UserError(fmt::format("{}: operator is not supported", node.title()));
  const auto explain = [&](std::string_view why) {
    const std::string title = node.title();
    throw base::UserError(why.starts_with(title) ? std::string(why) : fmt::format("{}: {}", title, why));
  };
  try {
    return compute_checked(*row, node, opset, inputs, most_elements, budget);
  } catch (const base::UserError& error) {
    explain(error.what());
  } catch (const std::bad_alloc&) {
    explain("it needs more memory than there is");
  }
  throw base::InternalError("a mistake that was not told");
}

std::vector<Tensor> evaluate(const Model& model, const std::map<std::string, Tensor>& inputs,
                             std::int64_t most_elements) {
  const Graph& graph = model.graph;
  check_inputs(graph, inputs);
  Values values(graph, inputs);
  constexpr std::int64_t kBytesPerElement = 16;
  const std::int64_t most_bytes = std::min(kMostBytes, kBytesPerElement * most_elements);
  Budget budget{kMostOperations, 0};
  for (const Node& node : graph.nodes) {
    std::vector<const Tensor*> arguments;
    for (const std::string& name : node.inputs) {
      arguments.push_back(name.empty() ? nullptr : values.find(name));
      if (!name.empty() && !arguments.back())
        throw base::UserError(fmt::format("{} reads {}, which nobody gives", node.title(), shown(name)));
    }
    budget.bytes = most_bytes - values.bytes();
    const auto elements = std::min<std::int64_t>(most_elements, budget.bytes / std::int64_t{sizeof(float)});
    std::vector<Tensor> results = compute_node(node, model.opset, arguments, elements, &budget);
    for (std::size_t o = 0; o < results.size(); ++o) values.give(node.outputs[o], std::move(results[o]));
    for (const std::string& name : node.inputs) values.release(name);
  }
  std::vector<Tensor> outputs;
  for (const Value& output : graph.outputs) {
    const Tensor* tensor = values.find(output.name);
    if (!tensor)
      throw base::UserError(fmt::format("the graph's output {} is given by nobody", shown(output.name)));
    outputs.push_back(*tensor);
  }
  return outputs;
}

}  // namespace bitsmith::trainer::onnx
