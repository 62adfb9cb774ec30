#pragma once

#include <cstddef>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer::ptq {

/// A layer whose output one other layer alone reads, through nothing but what commutes with a positive factor
/// per channel: ReLU, pooling, flattening, and quantize nodes, whose scales are found later.
struct Connection {
  int from = 0, to = 0;  ///< indices in NetworkInfo::layers
  bool relu = false;     ///< on the way
  int span = 1;          ///< consecutive weights of a row of `to` that one channel of `from` meets
};

/// In the order of `from`.
std::vector<Connection> find_connections(const quant::NetworkInfo& network);

/// Whether a layer has one output channel for each of its input channels, and mixes none.
bool is_plain_depthwise(const quant::LayerInfo& layer);

/// Calls body(index) for every weight of connection.to (outputs x inputs / groups x ...) that channel
/// `channel` of connection.from meets.
template <typename Body>
void for_each_reader(const quant::NetworkInfo& network, const Connection& connection, int channel,
                     const Body& body) {
  const quant::LayerInfo& to = network.layers[static_cast<std::size_t>(connection.to)];
  const int channels = network.layers[static_cast<std::size_t>(connection.from)].output.channels;
  const int inputs = channels / to.groups, outputs = to.output.channels / to.groups;  // of a group
  const int group = channel / inputs, local = channel % inputs;
  const auto span = static_cast<std::size_t>(connection.span);
  const std::size_t row = static_cast<std::size_t>(inputs) * span;
  for (int o = group * outputs; o < (group + 1) * outputs; ++o) {
    const std::size_t first = static_cast<std::size_t>(o) * row + static_cast<std::size_t>(local) * span;
    for (std::size_t i = first; i < first + span; ++i) body(i);
  }
}

}  // namespace bitsmith::trainer::ptq
