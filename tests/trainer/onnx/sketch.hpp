#pragma once

#include <string>
#include <utility>
#include <vector>

#include "quant/base/random.hpp"
#include "trainer/onnx/graph_writer.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::tests {

/// A model written line by line; the last tensor made is its output.
class Sketch {
 public:
  explicit Sketch(trainer::onnx::Dims input, std::int64_t opset = 17) {
    model.opset = opset;
    model.graph.inputs = {{"x", trainer::onnx::ElementType::float32, true, std::move(input), {}}};
    last = "x";
  }
  std::string weight(const std::string& name, trainer::onnx::Dims dims, float low = -0.5f,
                     float high = 0.5f) {
    trainer::onnx::Tensor tensor =
        trainer::onnx::Tensor::make(trainer::onnx::ElementType::float32, std::move(dims));
    for (float& value : tensor.as<float>()) value = static_cast<float>(rng_.uniform(low, high));
    model.graph.initializers[name] = std::move(tensor);
    return name;
  }
  std::string numbers(const std::string& name, std::vector<std::int64_t> values) {
    model.graph.initializers[name] = trainer::onnx::Tensor::of({static_cast<std::int64_t>(values.size())},
                                                               std::span<const std::int64_t>(values));
    return name;
  }
  std::string value(const std::string& name, float value) {
    model.graph.initializers[name] = trainer::onnx::Tensor::of({}, std::span<const float>(&value, 1));
    return name;
  }
  std::string node(const std::string& op, std::vector<std::string> inputs,
                   trainer::onnx::Attributes attributes = {}, int outputs = 1) {
    trainer::onnx::Node made;
    made.op = op;
    made.name = op + std::to_string(model.graph.nodes.size());
    made.inputs = std::move(inputs);
    for (int i = 0; i < outputs; ++i) made.outputs.push_back(made.name + "_" + std::to_string(i));
    made.attributes = std::move(attributes);
    last = made.outputs[0];
    model.graph.nodes.push_back(std::move(made));
    return last;
  }
  trainer::onnx::Model finish() {
    model.graph.outputs = {{last, trainer::onnx::ElementType::float32, false, {}, {}}};
    return model;
  }

  trainer::onnx::Model model;
  std::string last;

 private:
  base::Rng rng_{7};
};

}  // namespace bitsmith::tests
