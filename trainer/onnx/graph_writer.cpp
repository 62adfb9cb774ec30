#include "trainer/onnx/graph_writer.hpp"

#include <fmt/format.h>

#include <utility>

#include "quant/base/error.hpp"
#include "trainer/onnx/tensor_names.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// The first version of the file format that came with an opset.
std::int64_t ir_version_of(std::int64_t opset) {
  return opset < 15 ? 7 : opset < 19 ? 8 : opset < 21 ? 9 : 10;
}

Value value_of(const Written& written) {
  Value value{written.name, ElementType::float32, true, {-1}, {"N"}};
  for (const std::int64_t extent : written.dims()) {
    value.dims.push_back(extent);
    value.dim_names.emplace_back();
  }
  return value;
}

}  // namespace

Attribute integer_attribute(std::int64_t value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::integer;
  attribute.integer = value;
  return attribute;
}

Attribute real_attribute(float value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::real;
  attribute.real = value;
  return attribute;
}

Attribute text_attribute(std::string value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::string;
  attribute.string = std::move(value);
  return attribute;
}

Attribute integers_attribute(std::vector<std::int64_t> values) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::integers;
  attribute.integers = std::move(values);
  return attribute;
}

Dims Written::dims() const {
  if (flat) return {shape.elements()};
  return {shape.channels, shape.height, shape.width};
}

std::string GraphWriter::fresh(const std::string& wanted) { return take_name(wanted, taken_); }

Target GraphWriter::fresh_target(const std::string& wanted) {
  std::string name = fresh(wanted);
  return {name, name};
}

std::string GraphWriter::add(std::string op, const Target& as, std::vector<std::string> inputs,
                             Attributes attributes, std::string domain) {
  Node node;
  node.name = as.node;
  node.op = std::move(op);
  node.domain = std::move(domain);
  node.inputs = std::move(inputs);
  node.outputs = {as.tensor};
  node.attributes = std::move(attributes);
  if (!node.domain.empty()) domains_[node.domain] = 1;
  graph_.nodes.push_back(std::move(node));
  return as.tensor;
}

const std::string& GraphWriter::put(const std::string& name, Tensor tensor) {
  const auto [place, is_new] = graph_.initializers.try_emplace(name, std::move(tensor));
  base::require(is_new, "onnx: two initializers of one name");
  return place->first;
}

const std::string& GraphWriter::put(const std::string& name, Dims dims, const std::vector<float>& values) {
  return put(name, Tensor::of(std::move(dims), std::span<const float>(values)));
}

std::string GraphWriter::constant(const std::string& wanted, float value) {
  return put(fresh(wanted), Dims{}, {value});
}

std::string GraphWriter::constant(const std::string& wanted, std::vector<std::int64_t> values) {
  const Dims dims{static_cast<std::int64_t>(values.size())};
  return put(fresh(wanted), Tensor::of(dims, std::span<const std::int64_t>(values)));
}

Model GraphWriter::finish(const quant::NetworkInfo& info, const Written& output,
                          const ExportNames& names) && {
  Written result = output;
  if (result.name != names.output) {
    const Target identity{fresh("output/identity"), names.output};
    result.name = add("Identity", identity, {output.name});
  }
  graph_.name = info.name;
  graph_.inputs = {value_of({names.input, info.nodes.front().output, false})};
  graph_.outputs = {value_of(result)};
  Model model;
  model.ir_version = ir_version_of(opset_);
  model.opset = opset_;
  model.other_domains = std::move(domains_);
  model.producer_name = "bitsmith";
  model.producer_version = names.producer_version;
  model.metadata = names.metadata;
  model.graph = std::move(graph_);
  return model;
}

}  // namespace bitsmith::trainer::onnx
