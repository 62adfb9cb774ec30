#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// A node at work: its inputs (nullptr: left out), the opset it is of, and room for its outputs.
struct OperatorCall {
  const Node& node;
  std::int64_t opset;
  std::span<const Tensor* const> inputs;
  std::vector<Tensor>& outputs;  ///< one for each of node.outputs
};

/// A row of the table of operators: plain loops in the order of the operator's formula, for every rank and
/// type that it names: the oracle of imported networks, and what folds constants.
struct OperatorRow {
  std::string_view name;
  void (*compute)(const OperatorCall&);
};
std::span<const OperatorRow> operator_rows();
const OperatorRow* find_operator(std::string_view domain, std::string_view name);

/// Computes one node. Throws UserError naming the node for unknown operators, and for shapes, types and
/// attributes that do not fit or that would need more than kMostElements.
std::vector<Tensor> compute_node(const Node& node, std::int64_t opset, std::span<const Tensor* const> inputs);

/// Runs a whole graph on named inputs, in plain loops; the outputs in the graph's order. Throws UserError for
/// inputs that are missing, unknown, or of another type or shape than the graph says.
std::vector<Tensor> evaluate(const Model& model, const std::map<std::string, Tensor>& inputs);

inline constexpr std::int64_t kMostElements = std::int64_t{1} << 30;  ///< of one tensor

}  // namespace bitsmith::trainer::onnx
