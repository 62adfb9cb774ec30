#include "trainer/onnx/tensor_names.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Op;

constexpr const char* kWhat[] = {"weight", "bias", "running_mean", "running_var"};

bool has_parameters(Op op) {
  return op == Op::conv || op == Op::linear || op == Op::batch_norm || op == Op::layer_norm ||
         op == Op::position || op == Op::prelu || op == Op::scale;
}

}  // namespace

std::string take_name(const std::string& wanted, std::set<std::string>& taken) {
  std::string name = wanted;
  for (int number = 1; !taken.insert(name).second; ++number) name = fmt::format("{}_{}", wanted, number);
  return name;
}

TensorNames::TensorNames(const quant::NetworkInfo& info, const ExportNames& names) {
  if (names.input.empty() || names.output.empty() || names.input == names.output)
    throw base::UserError(
        fmt::format("input and output need two names, got '{}' and '{}'", names.input, names.output));
  taken_ = {names.input, names.output};
  outputs_.push_back(names.input);
  const int last = static_cast<int>(info.nodes.size()) - 1;
  for (int i = 1; i <= last; ++i) {
    const quant::Node& node = info.nodes[static_cast<std::size_t>(i)];
    outputs_.push_back(i == last                 ? names.output
                       : node.op == Op::quantize ? output(node.inputs[0])
                                                 : take_name(node.name, taken_));
  }
  for (int i = 1; i <= last; ++i) {
    const quant::Node& node = info.nodes[static_cast<std::size_t>(i)];
    if (!has_parameters(node.op)) continue;
    for (const char* what : kWhat)
      parameters_[{i, what}] = take_name(fmt::format("{}.{}", node.name, what), taken_);
  }
}

const std::string& TensorNames::parameter(int node, std::string_view what) const {
  const auto found = parameters_.find(std::pair<int, std::string>(node, what));
  base::require(found != parameters_.end(), "onnx: a parameter of a node that has none");
  return found->second;
}

}  // namespace bitsmith::trainer::onnx
