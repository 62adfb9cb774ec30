#include "trainer/onnx/order_nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>
#include <utility>

namespace bitsmith::trainer::onnx {
namespace {

/// Who gives a tensor: a node's index, or one of these.
constexpr std::size_t kGraph = static_cast<std::size_t>(-1);
using Givers = std::unordered_map<std::string_view, std::size_t>;

Givers find_givers(const Graph& graph, std::vector<std::string>& mistakes) {
  Givers givers;
  const auto give = [&](std::string_view name, std::size_t giver) {
    if (!givers.emplace(name, giver).second)
      mistakes.push_back(fmt::format("tensor {} is given more than once", shown(name)));
  };
  for (const Value& input : graph.inputs) give(input.name, kGraph);
  for (const auto& [name, tensor] : graph.initializers) give(name, kGraph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    for (const std::string& output : graph.nodes[n].outputs)
      if (!output.empty()) give(output, n);
  return givers;
}

/// The nodes that node n waits for, or those that wait for it.
using Edges = std::vector<std::vector<std::size_t>>;

std::string show_circle(const Graph& graph, const Edges& before, const std::vector<std::size_t>& waiting) {
  // Whoever is left waits for another that is left: following these leads into a circle.
  std::size_t node = 0;
  while (waiting[node] == 0) ++node;
  std::vector<std::size_t> position(graph.nodes.size(), kGraph), path;
  while (position[node] == kGraph) {
    position[node] = path.size();
    path.push_back(node);
    for (const std::size_t other : before[node])
      if (waiting[other] > 0) {
        node = other;
        break;
      }
  }
  std::vector<std::size_t> circle(path.rbegin(), path.rend() - static_cast<std::ptrdiff_t>(position[node]));
  std::ranges::rotate(circle, std::ranges::min_element(circle));
  constexpr std::size_t kMostShown = 8;
  std::string text = "nodes read each other's outputs in a circle: ";
  for (std::size_t c = 0; c < circle.size() && c < kMostShown; ++c)
    text += graph.nodes[circle[c]].title() + " -> ";
  return text + (circle.size() > kMostShown ? "..." : graph.nodes[circle.front()].title());
}

}  // namespace

std::vector<std::string> order_nodes(Graph& graph) {
  std::vector<std::string> mistakes;
  const std::size_t count = graph.nodes.size();
  const Givers givers = find_givers(graph, mistakes);
  Edges before(count), after(count);
  std::vector<std::size_t> waiting(count, 0);
  for (std::size_t n = 0; n < count; ++n) {
    for (const std::string& input : graph.nodes[n].inputs) {
      if (input.empty()) continue;
      const auto giver = givers.find(input);
      if (giver == givers.end()) {
        mistakes.push_back(
            fmt::format("{} reads {}, which nobody gives", graph.nodes[n].title(), shown(input)));
      } else if (giver->second != kGraph) {
        before[n].push_back(giver->second);
        after[giver->second].push_back(n);
        ++waiting[n];
      }
    }
  }
  for (const Value& output : graph.outputs)
    if (!givers.contains(output.name))
      mistakes.push_back(fmt::format("the graph's output {} is given by nobody", shown(output.name)));

  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t n = 0; n < count; ++n)
    if (waiting[n] == 0) ready.push(n);
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const std::size_t reader : after[order.back()])
      if (--waiting[reader] == 0) ready.push(reader);
  }
  if (order.size() < count) {
    mistakes.push_back(show_circle(graph, before, waiting));
    return mistakes;
  }
  std::vector<Node> nodes;
  nodes.reserve(count);
  for (const std::size_t n : order) nodes.push_back(std::move(graph.nodes[n]));
  graph.nodes = std::move(nodes);
  return mistakes;
}

}  // namespace bitsmith::trainer::onnx
