#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/onnx/export.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

using Attributes = std::map<std::string, Attribute, std::less<>>;
Attribute integer_attribute(std::int64_t value);
Attribute real_attribute(float value);
Attribute text_attribute(std::string value);
Attribute integers_attribute(std::vector<std::int64_t> values);

/// A tensor of the graph: what it is called, and how an image's values lie in it.
struct Written {
  std::string name;
  quant::Shape shape;
  bool flat = false;  ///< N x C; else N x C x H x W

  Dims dims() const;  ///< without N
};

/// A node to be written: what it and the tensor that it gives are called.
struct Target {
  std::string node, tensor;
};

/// Collects a model's graph, node after node.
class GraphWriter {
 public:
  /// `taken`: names that others use for what they know they will write.
  GraphWriter(std::int64_t opset, std::set<std::string> taken) : opset_(opset), taken_(std::move(taken)) {}

  std::int64_t opset() const { return opset_; }
  /// A tensor's name that nothing has yet.
  std::string fresh(const std::string& wanted);
  Target fresh_target(const std::string& wanted);

  /// A node with one output; returns its name.
  std::string add(std::string op, const Target& as, std::vector<std::string> inputs,
                  Attributes attributes = {}, std::string domain = {});

  /// An initializer; returns its name, which must be known to be free (taken, or fresh).
  const std::string& put(const std::string& name, Tensor tensor);
  const std::string& put(const std::string& name, Dims dims, const std::vector<float>& values);
  /// The same under a fresh name.
  std::string constant(const std::string& wanted, float value);
  std::string constant(const std::string& wanted, std::vector<std::int64_t> values);

  /// The finished model: names, versions, input and output. `output` gets its name by an Identity where it
  /// has another.
  Model finish(const quant::NetworkInfo& info, const Written& output, const ExportNames& names) &&;

 private:
  std::int64_t opset_;
  std::set<std::string> taken_;
  Graph graph_;
  std::map<std::string, std::int64_t> domains_;
};

}  // namespace bitsmith::trainer::onnx
