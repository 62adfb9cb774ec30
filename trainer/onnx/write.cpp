#include <fmt/format.h>

#include <string>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/onnx/file.hpp"

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

namespace bitsmith::trainer::onnx {
namespace {

namespace pb = ::onnx;

constexpr std::size_t kMostBytes = (std::size_t{1} << 31) - 1;  // of a protocol buffer

void put_tensor(const std::string& name, const Tensor& tensor, pb::TensorProto& to) {
  base::require(element_bits(tensor.type) > 0, "onnx: a tensor of a type that has no raw bytes");
  to.set_name(name);
  to.set_data_type(static_cast<int>(tensor.type));
  for (const std::int64_t extent : tensor.dims) to.add_dims(extent);
  to.set_raw_data(tensor.bytes.data(), tensor.bytes.size());
}

void put_attribute(const std::string& name, const Attribute& attribute, pb::AttributeProto& to) {
  using Kind = Attribute::Kind;
  to.set_name(name);
  switch (attribute.kind) {
    case Kind::real:
      to.set_type(pb::AttributeProto::FLOAT);
      to.set_f(attribute.real);
      return;
    case Kind::integer:
      to.set_type(pb::AttributeProto::INT);
      to.set_i(attribute.integer);
      return;
    case Kind::string:
      to.set_type(pb::AttributeProto::STRING);
      to.set_s(attribute.string);
      return;
    case Kind::tensor:
      to.set_type(pb::AttributeProto::TENSOR);
      put_tensor({}, attribute.tensor, *to.mutable_t());
      return;
    case Kind::reals:
      to.set_type(pb::AttributeProto::FLOATS);
      for (const float value : attribute.reals) to.add_floats(value);
      return;
    case Kind::integers:
      to.set_type(pb::AttributeProto::INTS);
      for (const std::int64_t value : attribute.integers) to.add_ints(value);
      return;
    case Kind::strings:
      to.set_type(pb::AttributeProto::STRINGS);
      for (const std::string& value : attribute.strings) to.add_strings(value);
      return;
    case Kind::other:
      break;
  }
  throw base::InternalError(fmt::format("onnx: attribute '{}' has a kind that cannot be written", name));
}

void put_node(const Node& node, pb::NodeProto& to) {
  to.set_name(node.name);
  to.set_op_type(node.op);
  to.set_domain(node.domain);
  for (const std::string& input : node.inputs) to.add_input(input);
  for (const std::string& output : node.outputs) to.add_output(output);
  for (const auto& [name, attribute] : node.attributes) put_attribute(name, attribute, *to.add_attribute());
}

void put_value(const Value& value, pb::ValueInfoProto& to) {
  to.set_name(value.name);
  pb::TypeProto::Tensor& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int>(value.type));
  if (!value.has_shape) return;
  pb::TensorShapeProto& shape = *type.mutable_shape();
  for (std::size_t d = 0; d < value.dims.size(); ++d) {
    pb::TensorShapeProto::Dimension& dim = *shape.add_dim();
    if (value.dims[d] >= 0)
      dim.set_dim_value(value.dims[d]);
    else if (d < value.dim_names.size() && !value.dim_names[d].empty())
      dim.set_dim_param(value.dim_names[d]);
  }
}

void put_opset(const std::string& domain, std::int64_t version, pb::ModelProto& to) {
  pb::OperatorSetIdProto& opset = *to.add_opset_import();
  opset.set_domain(domain);
  opset.set_version(version);
}

void put_graph(const Graph& graph, pb::GraphProto& to) {
  to.set_name(graph.name);
  for (const Node& node : graph.nodes) put_node(node, *to.add_node());
  for (const auto& [name, tensor] : graph.initializers) put_tensor(name, tensor, *to.add_initializer());
  for (const Value& input : graph.inputs) put_value(input, *to.add_input());
  for (const Value& output : graph.outputs) put_value(output, *to.add_output());
}

pb::ModelProto proto_of(const Model& model) {
  pb::ModelProto proto;
  proto.set_ir_version(model.ir_version);
  put_opset({}, model.opset, proto);
  for (const auto& [domain, version] : model.other_domains) put_opset(domain, version, proto);
  proto.set_producer_name(model.producer_name);
  proto.set_producer_version(model.producer_version);
  proto.set_doc_string(model.doc_string);
  for (const auto& [key, value] : model.metadata) {
    pb::StringStringEntryProto& entry = *proto.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  put_graph(model.graph, *proto.mutable_graph());
  return proto;
}

}  // namespace

std::string model_to_bytes(const Model& model) {
  const pb::ModelProto proto = proto_of(model);
  if (proto.ByteSizeLong() > kMostBytes)
    throw base::UserError(
        fmt::format("network '{}': its ONNX file would have {} bytes, a protocol buffer has at most {}",
                    model.graph.name, proto.ByteSizeLong(), kMostBytes));
  std::string bytes;
  base::require(proto.SerializeToString(&bytes), "onnx: a model that cannot be serialized");
  return bytes;
}

void write_model(const Model& model, const std::filesystem::path& file) {
  base::replace_file(file, model_to_bytes(model));
}

}  // namespace bitsmith::trainer::onnx
