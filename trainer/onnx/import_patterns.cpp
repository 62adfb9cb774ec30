#include "trainer/onnx/import_patterns.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "trainer/onnx/graph_writer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// A node that was found, the values inside it, and what it takes the place of.
struct Found {
  Node node;
  std::vector<const Node*> parts;  ///< the last is where its output comes from
};

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<const Node*>& nodes) : graph_(graph) {
    for (const auto& [name, tensor] : graph.initializers) constants_.insert(name);
    for (const Node* node : nodes) {
      bool constant = true;
      for (const std::string& name : node->inputs) {
        if (name.empty()) continue;
        constant = constant && constants_.contains(name);
        readers_[name].push_back(node);
      }
      for (const std::string& name : node->outputs) {
        makers_[name] = node;
        if (constant) constants_.insert(name);
      }
    }
    for (const Value& output : graph.outputs) readers_[output.name].push_back(nullptr);
  }

  std::optional<Found> gelu(const Node& last) const;
  std::optional<Found> layer_norm(const Node& quotient) const;
  /// Whether nothing else reads what is inside.
  bool is_alone(const Found& found) const;

 private:
  const Node* maker(const std::string& name, std::string_view op) const {
    const auto found = makers_.find(name);
    return found != makers_.end() && is(*found->second, op) ? found->second : nullptr;
  }
  static bool is(const Node& node, std::string_view op) {
    return node.op == op && node.domain.empty() && node.outputs.size() == 1;
  }
  std::size_t reads(const std::string& name) const {
    const auto found = readers_.find(name);
    return found == readers_.end() ? 0 : found->second.size();
  }
  /// The node that alone reads a value, once; nullptr where there is none such, or the value is an output.
  const Node* only_reader(const std::string& name) const {
    return reads(name) == 1 ? readers_.find(name)->second[0] : nullptr;
  }
  bool is_constant(const std::string& name) const { return constants_.contains(name); }

  std::optional<double> number(const std::string& name) const {
    const Tensor* tensor = nullptr;
    if (const auto found = graph_.initializers.find(name); found != graph_.initializers.end())
      tensor = &found->second;
    else if (const Node* node = maker(name, "Constant")) {
      if (const Attribute* value = node->find("value"); value != nullptr)
        tensor = &value->tensor;
      else if (node->find("value_float") != nullptr)
        return static_cast<double>(node->real("value_float", 0));
    }
    if (tensor == nullptr || tensor->type != ElementType::float32 || tensor->elements() != 1)
      return std::nullopt;
    return static_cast<double>(tensor->as<float>()[0]);
  }
  bool is_number(const std::string& name, double wanted) const {
    constexpr double kRounding = 1e-5;  // of what exporters write as 1.414213...
    const std::optional<double> found = number(name);
    return found && std::abs(*found - wanted) <= kRounding;
  }

  /// What a product is of; a factor that is a product itself, and that nothing else reads, counts as its two.
  void factors(const Node& product, std::vector<std::string>& of, std::vector<const Node*>& parts,
               bool nested = true) const {
    for (const std::string& name : product.inputs) {
      const Node* inner = maker(name, "Mul");
      if (nested && inner != nullptr && reads(name) == 1)
        factors(*inner, of, parts, false);
      else
        of.push_back(name);
    }
    parts.push_back(&product);
  }
  /// x where the value is 1 + erf(x / sqrt 2) and read once.
  std::optional<std::string> twice_the_normal(const std::string& name, std::vector<const Node*>& parts) const;
  /// The dimension that a mean is over, if it is one.
  std::optional<std::int64_t> mean_axis(const Node& mean) const;
  /// x where the value is x minus its mean over a dimension.
  std::optional<std::string> centred(const std::string& name, std::int64_t axis,
                                     std::vector<const Node*>& parts) const;

  const Graph& graph_;
  std::map<std::string, const Node*, std::less<>> makers_;
  std::map<std::string, std::vector<const Node*>, std::less<>> readers_;
  std::set<std::string, std::less<>> constants_;
};

std::optional<std::string> Finder::twice_the_normal(const std::string& name,
                                                    std::vector<const Node*>& parts) const {
  const Node* sum = maker(name, "Add");
  if (sum == nullptr || reads(name) != 1 || sum->inputs.size() != 2) return std::nullopt;
  for (const std::size_t k : {0u, 1u}) {
    const std::string& value = sum->inputs[k];
    const Node* erf = maker(value, "Erf");
    if (erf == nullptr || reads(value) != 1 || erf->inputs.size() != 1 || !is_number(sum->inputs[1 - k], 1))
      continue;
    const std::string& scaled = erf->inputs[0];
    if (reads(scaled) != 1) return std::nullopt;
    const Node* divided = maker(scaled, "Div");
    const Node* times = maker(scaled, "Mul");
    parts.insert(parts.end(), {sum, erf, divided != nullptr ? divided : times});
    if (divided != nullptr && divided->inputs.size() == 2 &&
        is_number(divided->inputs[1], std::numbers::sqrt2))
      return divided->inputs[0];
    for (const std::size_t j : {0u, 1u})
      if (times != nullptr && times->inputs.size() == 2 &&
          is_number(times->inputs[j], 1 / std::numbers::sqrt2))
        return times->inputs[1 - j];
  }
  return std::nullopt;
}

/// x * 0.5 * (1 + erf(x / sqrt 2)), in any order (Hendrycks and Gimpel 2016, equation 1).
std::optional<Found> Finder::gelu(const Node& last) const {
  if (!is(last, "Mul")) return std::nullopt;
  Found found;
  std::vector<std::string> of;
  factors(last, of, found.parts);
  if (of.size() != 3) return std::nullopt;
  const auto half = std::ranges::find_if(of, [&](const std::string& name) { return is_number(name, 0.5); });
  if (half == of.end()) return std::nullopt;
  of.erase(half);
  for (const std::size_t k : {0u, 1u}) {
    std::vector<const Node*> inner;
    const std::optional<std::string> x = twice_the_normal(of[k], inner);
    if (!x || *x != of[1 - k]) continue;
    found.parts.insert(found.parts.begin(), inner.begin(), inner.end());
    found.node.name = last.name;
    found.node.op = "Gelu";
    found.node.inputs = {*x};
    found.node.outputs = last.outputs;
    return found;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Finder::mean_axis(const Node& mean) const {
  std::vector<std::int64_t> axes;
  if (const Attribute* given = mean.find("axes"); given != nullptr) axes = given->integers;
  if (mean.inputs.size() > 1) {
    const auto given = graph_.initializers.find(mean.inputs[1]);
    const Node* node = maker(mean.inputs[1], "Constant");
    const Attribute* value = node == nullptr ? nullptr : node->find("value");
    const Tensor* tensor = given != graph_.initializers.end() ? &given->second
                           : value != nullptr                 ? &value->tensor
                                                              : nullptr;
    if (tensor != nullptr && tensor->type == ElementType::int64)
      axes.assign(tensor->as<std::int64_t>().begin(), tensor->as<std::int64_t>().end());
  }
  const Attribute* keeps = mean.find("keepdims");
  if (axes.size() != 1 || (keeps != nullptr && keeps->integer == 0)) return std::nullopt;
  return axes[0];
}

std::optional<std::string> Finder::centred(const std::string& name, std::int64_t axis,
                                           std::vector<const Node*>& parts) const {
  const Node* difference = maker(name, "Sub");
  if (difference == nullptr || difference->inputs.size() != 2) return std::nullopt;
  const Node* mean = maker(difference->inputs[1], "ReduceMean");
  if (mean == nullptr || mean->inputs.empty() || mean->inputs[0] != difference->inputs[0] ||
      mean_axis(*mean) != axis)
    return std::nullopt;
  for (const Node* node : {mean, difference})
    if (std::ranges::find(parts, node) == parts.end()) parts.push_back(node);
  return difference->inputs[0];
}

/// (x - mean) / sqrt(mean((x - mean)^2) + epsilon), and the factors and summands behind it (Ba et al. 2016).
std::optional<Found> Finder::layer_norm(const Node& quotient) const {
  if (!is(quotient, "Div") || quotient.inputs.size() != 2) return std::nullopt;
  const Node* root = maker(quotient.inputs[1], "Sqrt");
  const Node* sum = root == nullptr || root->inputs.empty() ? nullptr : maker(root->inputs[0], "Add");
  if (sum == nullptr || sum->inputs.size() != 2) return std::nullopt;
  const bool swapped = number(sum->inputs[0]).has_value();
  const std::optional<double> epsilon = number(sum->inputs[swapped ? 0 : 1]);
  const Node* variance = maker(sum->inputs[swapped ? 1 : 0], "ReduceMean");
  if (!epsilon || !(*epsilon > 0) || variance == nullptr || variance->inputs.empty()) return std::nullopt;
  const std::optional<std::int64_t> axis = mean_axis(*variance);
  const Node* power = maker(variance->inputs[0], "Pow");
  const Node* square = power != nullptr ? power : maker(variance->inputs[0], "Mul");
  if (!axis || square == nullptr || square->inputs.size() != 2) return std::nullopt;
  if (power != nullptr ? !is_number(power->inputs[1], 2) : square->inputs[0] != square->inputs[1])
    return std::nullopt;
  Found found;
  const std::optional<std::string> x = centred(square->inputs[0], *axis, found.parts);
  if (!x || is_constant(*x) || centred(quotient.inputs[0], *axis, found.parts) != x) return std::nullopt;
  found.parts.insert(found.parts.end(), {square, variance, sum, root, &quotient});
  Node& norm = found.node;
  norm.op = "LayerNormalization";
  norm.inputs = {*x, "", ""};
  const Node* last = &quotient;
  for (const auto& [op, into] : {std::pair<std::string_view, std::size_t>{"Mul", 1}, {"Add", 2}}) {
    const Node* next = only_reader(last->outputs[0]);
    if (next == nullptr || !is(*next, op) || next->inputs.size() != 2) break;
    const std::string& constant = next->inputs[next->inputs[0] == last->outputs[0] ? 1 : 0];
    if (!is_constant(constant)) break;
    norm.inputs[into] = constant;
    found.parts.push_back(next);
    last = next;
  }
  norm.name = last->name;
  norm.outputs = last->outputs;
  norm.attributes["axes"] = integers_attribute({*axis});
  norm.attributes["epsilon"] = real_attribute(static_cast<float>(*epsilon));
  return found;
}

bool Finder::is_alone(const Found& found) const {
  const auto is_part = [&](const Node* node) {
    return std::ranges::find(found.parts, node) != found.parts.end();
  };
  for (const Node* part : found.parts) {
    if (part == found.parts.back()) continue;
    for (const std::string& name : part->outputs)
      if (const auto read = readers_.find(name);
          read != readers_.end() && !std::ranges::all_of(read->second, is_part))
        return false;
  }
  return true;
}

}  // namespace

void recognise_patterns(const Graph& graph, std::vector<const Node*>& nodes, std::deque<Node>& made) {
  const Finder finder(graph, nodes);
  std::map<const Node*, const Node*> instead;  // nullptr: nothing
  for (const Node* node : nodes) {
    std::optional<Found> found = finder.gelu(*node);
    if (!found) found = finder.layer_norm(*node);
    if (!found || !finder.is_alone(*found) ||
        std::ranges::any_of(found->parts, [&](const Node* part) { return instead.contains(part); }))
      continue;
    for (const Node* part : found->parts) instead[part] = nullptr;
    made.push_back(std::move(found->node));
    instead[found->parts.back()] = &made.back();
  }
  for (const Node*& node : nodes)
    if (const auto found = instead.find(node); found != instead.end()) node = found->second;
  std::erase(nodes, nullptr);
}

}  // namespace bitsmith::trainer::onnx
