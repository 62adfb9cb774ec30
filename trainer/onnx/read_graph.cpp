#include "trainer/onnx/read_graph.hpp"

#include <fmt/format.h>

#include <utility>

#include "quant/base/error.hpp"
#include "trainer/onnx/read_tensor.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using ::onnx::AttributeProto;
using Kind = Attribute::Kind;

/// Files older than the field `type` have only the value.
int kind_of(const AttributeProto& proto) {
  if (proto.type() != AttributeProto::UNDEFINED) return proto.type();
  if (proto.has_f()) return AttributeProto::FLOAT;
  if (proto.has_i()) return AttributeProto::INT;
  if (proto.has_s()) return AttributeProto::STRING;
  if (proto.has_t()) return AttributeProto::TENSOR;
  if (proto.floats_size() > 0) return AttributeProto::FLOATS;
  if (proto.ints_size() > 0) return AttributeProto::INTS;
  if (proto.strings_size() > 0) return AttributeProto::STRINGS;
  return AttributeProto::UNDEFINED;
}

Attribute read_attribute(const AttributeProto& proto, const std::string& title, ExternalData& external) {
  Attribute attribute;
  if (proto.has_ref_attr_name()) return attribute;  // of functions only
  switch (kind_of(proto)) {
    case AttributeProto::FLOAT:
      attribute.kind = Kind::real;
      attribute.real = proto.f();
      break;
    case AttributeProto::INT:
      attribute.kind = Kind::integer;
      attribute.integer = proto.i();
      break;
    case AttributeProto::STRING:
      attribute.kind = Kind::string;
      attribute.string = proto.s();
      break;
    case AttributeProto::TENSOR:
      if (!tensor_type(proto.t().data_type())) break;
      attribute.kind = Kind::tensor;
      attribute.tensor = read_tensor(proto.t(), title + ", " + proto.name(), external);
      break;
    case AttributeProto::FLOATS:
      attribute.kind = Kind::reals;
      attribute.reals.assign(proto.floats().begin(), proto.floats().end());
      break;
    case AttributeProto::INTS:
      attribute.kind = Kind::integers;
      attribute.integers.assign(proto.ints().begin(), proto.ints().end());
      break;
    case AttributeProto::STRINGS:
      attribute.kind = Kind::strings;
      attribute.strings.assign(proto.strings().begin(), proto.strings().end());
      break;
    default:
      break;  // sub-graphs, sparse tensors, types: whoever needs them refuses them
  }
  return attribute;
}

Node read_node(const ::onnx::NodeProto& proto, ExternalData& external, std::vector<std::string>& mistakes) {
  Node node;
  node.name = proto.name();
  node.op = proto.op_type();
  node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  if (node.op.empty()) mistakes.push_back(fmt::format("node{} names no operator", node.title()));
  for (const AttributeProto& attribute : proto.attribute()) {
    try {
      if (!node.attributes
               .emplace(attribute.name(),
                        read_attribute(attribute, proto.op_type() + " " + proto.name(), external))
               .second)
        mistakes.push_back(
            fmt::format("{} has attribute {} more than once", node.title(), shown(attribute.name())));
    } catch (const base::UserError& error) {
      mistakes.emplace_back(error.what());
    }
  }
  return node;
}

Value read_value(const ::onnx::ValueInfoProto& proto, std::vector<std::string>& mistakes) {
  Value value;
  value.name = proto.name();
  if (!proto.has_type()) return value;
  if (proto.type().value_case() != ::onnx::TypeProto::kTensorType) {
    mistakes.push_back(
        fmt::format("{} of the graph is no tensor: only tensors are supported", shown(value.name)));
    return value;
  }
  const auto& tensor = proto.type().tensor_type();
  if (const auto type = tensor_type(tensor.elem_type())) {
    value.type = *type;
  } else if (tensor.elem_type() != 0) {
    mistakes.push_back(fmt::format("{} of the graph is a tensor of ONNX type {}, which is not supported",
                                   shown(value.name), tensor.elem_type()));
  }
  value.has_shape = tensor.has_shape();
  for (const auto& dim : tensor.shape().dim()) {
    const std::int64_t extent = dim.has_dim_value() ? dim.dim_value() : -1;
    value.dims.push_back(extent < 0 ? -1 : extent);
    value.dim_names.push_back(dim.has_dim_param() ? dim.dim_param() : "");
    if (extent < -1 || extent > kMostElements)
      mistakes.push_back(
          fmt::format("{} of the graph: {} is no extent of a tensor", shown(value.name), extent));
  }
  if (value.dims.size() > kMostDims) {
    mistakes.push_back(fmt::format("{} of the graph has {} dims, {} are supported", shown(value.name),
                                   value.dims.size(), kMostDims));
    value.dims.resize(kMostDims);
    value.dim_names.resize(kMostDims);
  }
  return value;
}

}  // namespace

Graph read_graph(const ::onnx::GraphProto& proto, ExternalData& external,
                 std::vector<std::string>& mistakes) {
  Graph graph;
  graph.name = proto.name();
  if (proto.sparse_initializer_size() > 0)
    mistakes.push_back(fmt::format("the graph has {} sparse initializers, which are not supported",
                                   proto.sparse_initializer_size()));
  for (const auto& initializer : proto.initializer()) {
    if (initializer.name().empty()) mistakes.emplace_back("an initializer has no name");
    try {
      if (!graph.initializers
               .emplace(initializer.name(), read_tensor(initializer, initializer.name(), external))
               .second)
        mistakes.push_back(fmt::format("tensor {} is given more than once", shown(initializer.name())));
    } catch (const base::UserError& error) {
      mistakes.emplace_back(error.what());
      graph.initializers.emplace(initializer.name(), Tensor{});  // its readers are not to blame
    }
  }
  for (const auto& input : proto.input()) {
    if (input.name().empty()) mistakes.emplace_back("an input of the graph has no name");
    // Before version 4 of the format initializers had to be inputs too.
    if (!graph.initializers.contains(input.name())) graph.inputs.push_back(read_value(input, mistakes));
  }
  for (const auto& output : proto.output()) graph.outputs.push_back(read_value(output, mistakes));
  graph.nodes.reserve(static_cast<std::size_t>(proto.node_size()));
  for (const auto& node : proto.node()) graph.nodes.push_back(read_node(node, external, mistakes));
  return graph;
}

}  // namespace bitsmith::trainer::onnx
