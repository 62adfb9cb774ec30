#include "trainer/operations.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

using quant::Op;

void refuse_dead_nodes(const quant::NetworkInfo& info, const std::vector<std::vector<int>>& readers) {
  for (std::size_t i = 0; i + 1 < info.nodes.size(); ++i)
    if (readers[i].empty())
      throw base::UserError(
          fmt::format("{}: no other node reads its output, and it is not the network's output ({})",
                      info.nodes[i].name, info.nodes.back().name));
}

bool is_activation(Op op) { return op == Op::relu || op == Op::relu6; }

}  // namespace

std::vector<Operation> plan_operations(const quant::NetworkInfo& info) {
  if (info.nodes.size() < 2) throw base::UserError(fmt::format("network '{}' has no layers", info.name));
  const auto readers = info.consumers();
  refuse_dead_nodes(info, readers);

  std::vector<Operation> operations;
  int quantize_nodes = 0;
  std::vector<int> producer(info.nodes.size(), Operation::kImages);  // of each node's output
  for (std::size_t i = 1; i < info.nodes.size(); ++i) {
    const quant::Node& node = info.nodes[i];
    if (producer[i] != Operation::kImages) continue;  // taken in by the node before it
    Operation operation;
    operation.node = static_cast<int>(i);
    operation.output = node.output;
    for (int from : node.inputs) operation.inputs.push_back(producer[static_cast<std::size_t>(from)]);
    operation.layer = node.op == Op::conv || node.op == Op::linear ? info.find_layer(node.name) : -1;
    operation.observed = operation.layer;
    if (node.op == Op::quantize) operation.observed = static_cast<int>(info.layers.size()) + quantize_nodes++;
    producer[i] = static_cast<int>(operations.size());
    if (layer_row(node.op).fuses_activation && readers[i].size() == 1) {
      const auto next = static_cast<std::size_t>(readers[i][0]);
      if (is_activation(info.nodes[next].op)) {
        operation.activation = info.nodes[next].op == Op::relu ? Activation::relu() : Activation::relu6();
        producer[next] = producer[i];
      }
    }
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace bitsmith::trainer
