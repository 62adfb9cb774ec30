#include <span>

#include "quant/base/hash.hpp"
#include "trainer/onnx/file.hpp"

namespace bitsmith::trainer::onnx {
namespace {

void add(base::Hasher& hasher, const Tensor& tensor) {
  hasher.add(static_cast<int>(tensor.type));
  hasher.add(std::as_bytes(std::span(tensor.dims)));
  hasher.add(std::span<const std::byte>(tensor.bytes));
}

void add(base::Hasher& hasher, const Attribute& attribute) {
  hasher.add(static_cast<int>(attribute.kind));
  hasher.add(static_cast<double>(attribute.real));
  hasher.add(std::as_bytes(std::span(&attribute.integer, 1)));
  hasher.add(attribute.string);
  hasher.add(std::as_bytes(std::span(attribute.reals)));
  hasher.add(std::as_bytes(std::span(attribute.integers)));
  for (const std::string& string : attribute.strings) hasher.add(string);
  add(hasher, attribute.tensor);
}

}  // namespace

std::uint64_t content_hash(const Model& model) {
  base::Hasher hasher;
  hasher.add(std::as_bytes(std::span(&model.opset, 1)));
  for (const Node& node : model.graph.nodes) {
    hasher.add(node.op);
    hasher.add(node.name);
    for (const std::string& name : node.inputs) hasher.add(name);
    for (const std::string& name : node.outputs) hasher.add(name);
    for (const auto& [name, attribute] : node.attributes) {
      hasher.add(name);
      add(hasher, attribute);
    }
  }
  for (const auto& [name, tensor] : model.graph.initializers) {
    hasher.add(name);
    add(hasher, tensor);
  }
  for (const auto* values : {&model.graph.inputs, &model.graph.outputs})
    for (const Value& value : *values) {
      hasher.add(value.name);
      hasher.add(std::as_bytes(std::span(value.dims)));
    }
  return hasher.value();
}

}  // namespace bitsmith::trainer::onnx
