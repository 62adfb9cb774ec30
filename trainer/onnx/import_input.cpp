#include "trainer/onnx/import_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr std::string_view kChannelsSecond[] = {"Conv",        "BatchNormalization", "MaxPool",
                                                "AveragePool", "GlobalAveragePool",  "InstanceNormalization"};
constexpr std::string_view kChannelsLast[] = {"MatMul", "Gemm", "LayerNormalization"};
constexpr std::string_view kElements[] = {
    "Identity", "Dropout", "Cast",      "Add",     "Sub",         "Mul",       "Div",  "QuantizeLinear",
    "Relu",     "Clip",    "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Gelu", "DequantizeLinear"};

bool is_one_of(std::span<const std::string_view> ops, const Node& node) {
  return node.domain.empty() && std::ranges::find(ops, node.op) != ops.end();
}

/// Which dimension of the input is the channels.
std::size_t channel_dimension(const std::string& input, std::size_t rank,
                              const std::vector<const Node*>& nodes) {
  constexpr std::size_t kUsual = 1;
  std::map<std::string_view, std::vector<std::size_t>> seen;  // tensors whose dimensions are the input's
  seen[input].resize(rank);
  std::iota(seen[input].begin(), seen[input].end(), std::size_t{0});
  for (const Node* node : nodes)
    for (const std::string& name : node->inputs) {
      const auto found = seen.find(name);
      if (found == seen.end()) continue;
      const std::vector<std::size_t> dims = found->second;
      const bool second = is_one_of(kChannelsSecond, *node);
      if (second || is_one_of(kChannelsLast, *node)) {
        std::int64_t at = second ? 1 : -1;
        if (const auto axes = node->find("axes"); axes != nullptr && axes->integers.size() == 1)
          at = axes->integers[0];  // of a layer norm that was written out
        if (at < 0) at += static_cast<std::int64_t>(rank);
        if (at < 0 || at >= static_cast<std::int64_t>(rank)) return kUsual;
        const std::size_t channels = dims[static_cast<std::size_t>(at)];
        return channels == 0 ? kUsual : channels;
      }
      if (node->outputs.empty()) continue;
      if (is_one_of(kElements, *node)) seen.emplace(node->outputs[0], dims);
      if (node->op == "Transpose" && node->domain.empty()) {
        std::vector<std::size_t> moved;
        for (const std::int64_t from : node->integers("perm", {}))
          if (from >= 0 && from < static_cast<std::int64_t>(rank))
            moved.push_back(dims[static_cast<std::size_t>(from)]);
        if (moved.size() == rank) seen.emplace(node->outputs[0], std::move(moved));
      }
    }
  return kUsual;
}

}  // namespace

ImportedInput imported_input(const Value& value, const std::vector<const onnx::Node*>& nodes,
                             const std::string& source, std::optional<quant::Shape> wanted) {
  const auto refuse = [&](const std::string& why) {
    throw base::UserError(fmt::format("{}: input '{}': {}", source, value.name, why));
  };
  if (value.type != ElementType::float32)
    refuse(fmt::format("its type is {}, allowed: float32", element_type_name(value.type)));
  if (!value.has_shape && !wanted) refuse("it has no shape; give one");
  const std::size_t rank = value.has_shape ? value.dims.size() : 4;
  if (rank < 2 || rank > 4)
    refuse(fmt::format("it has {} dimensions, allowed: 2 (N,F), 3 (N,C,L or N,T,C), 4 (N,C,H,W or N,H,W,C)",
                       rank));
  const std::size_t channels = rank == 2 ? 1 : channel_dimension(value.name, rank, nodes);
  // As N, C, H, W, whatever there is of these.
  std::vector<std::int64_t> order = {0, static_cast<std::int64_t>(channels)};
  for (std::size_t d = 1; d < rank; ++d)
    if (d != channels) order.push_back(static_cast<std::int64_t>(d));
  Dims dims = {1, 1, 1, 1};
  for (std::size_t i = 0; i < rank && value.has_shape; ++i)
    dims[rank == 3 && i == 2 ? 3 : i] = value.dims[static_cast<std::size_t>(order[i])];
  if (wanted) {
    const Dims given = {1, wanted->channels, wanted->height, wanted->width};
    for (std::size_t i = 1; i < 4; ++i) {
      if (!value.has_shape || dims[i] < 0) dims[i] = given[i];
      if (dims[i] != given[i])
        refuse(fmt::format("it is {}, but what is to be read is {}x{}x{}", show(value.dims), given[1],
                           given[2], given[3]));
    }
  }
  if (dims[0] > kMostElements) refuse(fmt::format("its batch is {}", dims[0]));
  for (std::size_t i = 1; i < 4; ++i)
    if (dims[i] < 1 || dims[i] > quant::NetworkBuilder::kMostElements)
      refuse(
          fmt::format("its shape is {}: only the first dimension, the batch, may be open", show(value.dims)));
  ImportedInput input;
  input.shape = {static_cast<int>(dims[1]), static_cast<int>(dims[2]), static_cast<int>(dims[3])};
  const std::int64_t batch = std::max<std::int64_t>(dims[0], 1);
  const Layout usual = rank == 2   ? Layout::features(input.shape.channels, batch)
                       : rank == 3 ? Layout::sequence(input.shape, batch)
                                   : Layout::image(input.shape, batch);
  input.layout = usual;
  for (std::size_t i = 0; i < rank; ++i)
    input.layout.dims[static_cast<std::size_t>(order[i])] = usual.dims[i];
  return input;
}

}  // namespace bitsmith::trainer::onnx
