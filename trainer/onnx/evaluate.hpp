#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// What nodes that are computed one after the other may still take.
struct Budget {
  double operations;   ///< products, comparisons, elements read and made
  std::int64_t bytes;  ///< of tensors
};

/// A node at work: its inputs (nullptr: left out), the opset it is of, and room for its outputs.
struct OperatorCall {
  const Node& node;
  std::int64_t opset;
  std::span<const Tensor* const> inputs;
  std::vector<Tensor>& outputs;  ///< one for each of node.outputs
  std::int64_t most_elements;    ///< of one output
  Budget* budget = nullptr;      ///< none: there are no others
};

/// A row of the table of operators: plain loops in the order of the operator's formula, for every rank and
/// type that it names: the oracle of imported networks, and what folds constants.
struct OperatorRow {
  std::string_view name;
  void (*compute)(const OperatorCall&);
  /// Inputs of 16-bit floats come as float32, and float32 outputs are rounded to that type afterwards.
  /// Operators that move elements, or that know these types themselves, do without.
  bool widens_halves = false;
};
std::span<const OperatorRow> operator_rows();
/// nullptr: not in the table.
const OperatorRow* find_operator(std::string_view domain, std::string_view name);

/// Computes one node. Throws UserError naming the node for unknown operators, and for shapes, types and
/// attributes that do not fit, or that would need more than `most_elements` in a tensor or some thousand
/// operations for each of these: what folds constants asks for few. What it takes is taken from `budget`, and
/// refused where there is not as much.
std::vector<Tensor> compute_node(const Node& node, std::int64_t opset, std::span<const Tensor* const> inputs,
                                 std::int64_t most_elements = kMostElements, Budget* budget = nullptr);

inline constexpr std::int64_t kMostBytes = std::int64_t{1} << 31;  ///< of tensors that are made
inline constexpr double kMostOperations = 0x1p37;                  ///< of an evaluation: minutes

/// Runs a whole graph on named inputs, in plain loops; the outputs in the graph's order. Throws UserError for
/// inputs that are missing, unknown, or of another type or shape than the graph says, where tensors that
/// are still to be read would take more than kMostBytes or 16 bytes for each of `most_elements`, and where
/// all nodes would take more than kMostOperations.
std::vector<Tensor> evaluate(const Model& model, const std::map<std::string, Tensor>& inputs,
                             std::int64_t most_elements = kMostElements);

}  // namespace bitsmith::trainer::onnx
