#pragma once

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <initializer_list>
#include <string>
#include <vector>

/// A small network as its file says it, for tests to spoil.
namespace bitsmith::tests {

inline ::onnx::NodeProto& add_node(::onnx::GraphProto& graph, const std::string& op,
                                   std::initializer_list<std::string> inputs,
                                   std::initializer_list<std::string> outputs) {
  auto& node = *graph.add_node();
  node.set_op_type(op);
  node.set_name("the " + op);
  for (const auto& input : inputs) node.add_input(input);
  for (const auto& output : outputs) node.add_output(output);
  return node;
}

inline void add_integers(::onnx::NodeProto& node, const std::string& name,
                         std::initializer_list<std::int64_t> values) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(::onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

inline ::onnx::TensorProto& add_floats(::onnx::GraphProto& graph, const std::string& name,
                                       std::initializer_list<std::int64_t> dims) {
  auto& tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  std::int64_t elements = 1;
  for (const std::int64_t extent : dims) {
    tensor.add_dims(extent);
    elements *= extent;
  }
  for (std::int64_t i = 0; i < elements; ++i)
    tensor.add_float_data(0.125F * static_cast<float>(i % 7) - 0.25F);
  return tensor;
}

inline void add_value(::onnx::ValueInfoProto& value, const std::string& name,
                      std::initializer_list<std::int64_t> dims) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(::onnx::TensorProto::FLOAT);
  tensor.mutable_shape();
  for (const std::int64_t extent : dims) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    if (extent < 0) {
      dim.set_dim_param("batch");
    } else {
      dim.set_dim_value(extent);
    }
  }
}

/// Conv, Relu, GlobalAveragePool, Flatten, Gemm: N x 1 x 5 x 5 to N x 3.
inline ::onnx::ModelProto small_model() {
  ::onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("a test");
  auto& graph = *model.mutable_graph();
  graph.set_name("small");
  add_value(*graph.add_input(), "x", {-1, 1, 5, 5});
  add_value(*graph.add_output(), "y", {-1, 3});
  add_integers(add_node(graph, "Conv", {"x", "w", "b"}, {"conv"}), "pads", {1, 1, 1, 1});
  add_node(graph, "Relu", {"conv"}, {"relu"});
  add_node(graph, "GlobalAveragePool", {"relu"}, {"pool"});
  add_node(graph, "Flatten", {"pool"}, {"flat"});
  add_node(graph, "Gemm", {"flat", "fc"}, {"y"});
  add_floats(graph, "w", {2, 1, 3, 3});
  add_floats(graph, "b", {2});
  add_floats(graph, "fc", {2, 3});
  model.add_opset_import()->set_version(13);
  return model;
}

}  // namespace bitsmith::tests
