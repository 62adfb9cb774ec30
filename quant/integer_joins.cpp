#include "quant/integer_joins.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace bitsmith::quant {
namespace {

bool is_join(Op op) { return op == Op::add || op == Op::average_pool || op == Op::global_average_pool; }

}  // namespace

NetworkInfo with_integer_joins(const NetworkInfo& network) {
  const auto readers = network.consumers();
  NetworkBuilder builder(network.name, network.nodes.front().output);
  std::vector<int> now(network.nodes.size(), builder.input());  // the node to read in place of each
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    if (i > 0) {
      Node node = network.nodes[i];
      for (int& from : node.inputs) from = now[static_cast<std::size_t>(from)];
      now[i] = builder.copy(std::move(node));
    }
    const bool joined = std::ranges::any_of(
        readers[i], [&](int reader) { return is_join(network.nodes[static_cast<std::size_t>(reader)].op); });
    if (joined && network.nodes[i].op != Op::quantize)
      now[i] = builder.quantize(network.nodes[i].name + ".quantize", now[i]);
  }
  return std::move(builder).build();
}

}  // namespace bitsmith::quant
