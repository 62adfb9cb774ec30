#include "trainer/ptq/redescribe.hpp"

#include <algorithm>
#include <utility>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::ptq {
namespace {

template <typename Items, typename Find>
void take_over(Items& items, const Find& find) {
  for (auto& item : items) {
    const auto* known = find(item.name);
    base::require(known == nullptr || known->value.size() == item.value.size(),
                  "redescribe: a parameter of another size");
    if (known != nullptr)
      item.value = known->value;
    else
      std::ranges::fill(item.value, 0.0f);
  }
}

}  // namespace

Network redescribe(const Network& from, quant::NetworkInfo info) {
  Network network(std::move(info), 0, from.shards());
  take_over(network.parameters(), [&](const std::string& name) { return from.find_parameter(name); });
  take_over(network.buffers(), [&](const std::string& name) { return from.find_buffer(name); });
  return network;
}

Network with_relu_for_relu6(const Network& from, int& replaced) {
  quant::NetworkBuilder builder(from.info().name, from.info().nodes.front().output);
  replaced = 0;
  for (std::size_t i = 1; i < from.info().nodes.size(); ++i) {
    quant::Node node = from.info().nodes[i];
    if (node.op == quant::Op::relu6) {
      node.op = quant::Op::relu;
      ++replaced;
    }
    builder.copy(std::move(node));
  }
  return redescribe(from, std::move(builder).build());
}

}  // namespace bitsmith::trainer::ptq
