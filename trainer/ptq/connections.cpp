#include "trainer/ptq/connections.hpp"

namespace bitsmith::trainer::ptq {
namespace {

using quant::Op;

bool commutes_with_scaling(Op op) {
  return op == Op::relu || op == Op::max_pool || op == Op::average_pool || op == Op::global_average_pool ||
         op == Op::flatten || op == Op::quantize;
}

int layer_at(const quant::NetworkInfo& network, int node) {
  for (std::size_t i = 0; i < network.layers.size(); ++i)
    if (network.layers[i].node == node) return static_cast<int>(i);
  return -1;
}

}  // namespace

bool is_plain_depthwise(const quant::LayerInfo& layer) {
  return layer.kind == quant::LayerKind::depthwise && layer.output.channels == layer.input.channels;
}

std::vector<Connection> find_connections(const quant::NetworkInfo& network) {
  const auto readers = network.consumers();
  std::vector<Connection> found;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    Connection connection;
    connection.from = static_cast<int>(i);
    int pixels = 1;  // of a channel, laid out one after the other by flattening
    int node = network.layers[i].node;
    while (readers[static_cast<std::size_t>(node)].size() == 1) {
      const quant::Shape shape = network.nodes[static_cast<std::size_t>(node)].output;
      node = readers[static_cast<std::size_t>(node)][0];
      const quant::Node& reader = network.nodes[static_cast<std::size_t>(node)];
      if (reader.op == Op::conv || reader.op == Op::linear) {
        connection.to = layer_at(network, node);
        connection.span = pixels * reader.window.kernel_h * reader.window.kernel_w;
        found.push_back(connection);
        break;
      }
      if (!commutes_with_scaling(reader.op)) break;
      connection.relu = connection.relu || reader.op == Op::relu;
      if (reader.op == Op::flatten) pixels *= shape.height * shape.width;
    }
  }
  return found;
}

}  // namespace bitsmith::trainer::ptq
