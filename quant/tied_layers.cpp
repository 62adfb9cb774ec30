#include "quant/tied_layers.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace bitsmith::quant {
namespace {

/// Layers of the same key, where there are several.
std::vector<TiedLayers> groups_by(const std::vector<int>& key_of_layer) {
  std::map<int, TiedLayers> by_key;
  for (std::size_t layer = 0; layer < key_of_layer.size(); ++layer)
    by_key[key_of_layer[layer]].push_back(static_cast<int>(layer));
  std::vector<TiedLayers> groups;
  for (auto& [key, layers] : by_key)
    if (layers.size() > 1) groups.push_back(std::move(layers));
  return groups;
}

/// Sets of nodes that grow together (union-find); each is known by its first node.
class Streams {
 public:
  explicit Streams(std::size_t nodes) : parent_(nodes) { std::iota(parent_.begin(), parent_.end(), 0); }

  int of(int node) {
    int& parent = parent_[static_cast<std::size_t>(node)];
    return parent == node ? node : parent = of(parent);
  }
  void join(int a, int b) {
    const int first = std::min(of(a), of(b)), second = std::max(of(a), of(b));
    parent_[static_cast<std::size_t>(second)] = first;
  }

 private:
  std::vector<int> parent_;
};

bool stays_in_stream(Op op) {
  return op == Op::add || op == Op::relu || op == Op::relu6 || op == Op::quantize;
}

}  // namespace

std::vector<int> tensors_read(const NetworkInfo& network) {
  std::vector<int> tensors;
  for (const LayerInfo& layer : network.layers) {
    const auto node = [&](int index) -> const Node& {
      return network.nodes[static_cast<std::size_t>(index)];
    };
    int tensor = node(layer.node).inputs[0];
    while (node(tensor).op == Op::flatten) tensor = node(tensor).inputs[0];
    tensors.push_back(tensor);
  }
  return tensors;
}

std::vector<TiedLayers> layers_of_one_weight(const NetworkInfo& network) {
  std::vector<TiedLayers> groups;
  for (const std::vector<std::string>& names : network.shared_parameters) {
    TiedLayers layers;
    for (std::size_t layer = 0; layer < network.layers.size(); ++layer)
      if (std::ranges::find(names, network.layers[layer].name + ".weight") != names.end())
        layers.push_back(static_cast<int>(layer));
    if (layers.size() > 1) groups.push_back(std::move(layers));
  }
  return groups;
}

std::vector<TiedLayers> readers_of_one_tensor(const NetworkInfo& network) {
  return groups_by(tensors_read(network));
}

std::vector<TiedLayers> readers_of_one_residual_stream(const NetworkInfo& network) {
  Streams streams(network.nodes.size());
  for (std::size_t i = 0; i < network.nodes.size(); ++i)
    if (stays_in_stream(network.nodes[i].op))
      for (int from : network.nodes[i].inputs) streams.join(static_cast<int>(i), from);
  std::vector<int> stream_of_layer = tensors_read(network);
  for (int& tensor : stream_of_layer) tensor = streams.of(tensor);
  return groups_by(stream_of_layer);
}

}  // namespace bitsmith::quant
