#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/onnxruntime/onnxruntime.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::test {

/// N, H, W, C as ONNX has it: N, C, H, W.
inline std::vector<float> channels_first(const Tensor& images) {
  const quant::Shape shape = images.shape();
  std::vector<float> values(static_cast<std::size_t>(images.elements()));
  for (int n = 0; n < images.batch(); ++n)
    for (std::int64_t p = 0; p < shape.pixels(); ++p)
      for (int c = 0; c < shape.channels; ++c)
        values[static_cast<std::size_t>((std::int64_t{n} * shape.channels + c) * shape.pixels() + p)] =
            images.sample(n)[p * shape.channels + c];
  return values;
}

/// What ONNX Runtime makes of the images: [N, outputs].
inline std::vector<float> logits_of(const std::string& modules, const onnx::Model& model,
                                    const Tensor& images, const std::string& optimization = "all") {
  const tests::TemporaryFolder folder;
  onnx::write_model(model, folder / "model.onnx");
  const quant::Shape shape = images.shape();
  return tests::run_onnxruntime(
      modules, folder / "model.onnx", channels_first(images),
      {static_cast<std::uint64_t>(images.batch()), static_cast<std::uint64_t>(shape.channels),
       static_cast<std::uint64_t>(shape.height), static_cast<std::uint64_t>(shape.width)},
      optimization);
}

/// What the plain evaluator makes of them: [N, outputs].
inline std::vector<float> evaluated_logits(const onnx::Model& model, const Tensor& images) {
  const quant::Shape shape = images.shape();
  const onnx::Tensor input = onnx::Tensor::of({images.batch(), shape.channels, shape.height, shape.width},
                                              std::span<const float>(channels_first(images)));
  const std::vector<onnx::Tensor> outputs = onnx::evaluate(model, {{model.graph.inputs.at(0).name, input}});
  const auto values = outputs.at(0).as<float>();
  return {values.begin(), values.end()};
}

/// How far logits are from what they should be.
struct LogitDifference {
  double relative = 0;   ///< root of the mean squared difference over that of the logits themselves
  double agreement = 0;  ///< share of images with the same first largest logit
};

inline LogitDifference difference(const Tensor& expected, const std::vector<float>& found) {
  BOOST_REQUIRE(found.size() == static_cast<std::size_t>(expected.elements()));
  const auto classes = static_cast<std::ptrdiff_t>(expected.elements() / expected.batch());
  double error = 0, size = 0;
  int same = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(static_cast<double>(expected.data()[i]) - static_cast<double>(found[i]), 2);
    size += std::pow(static_cast<double>(expected.data()[i]), 2);
  }
  for (int n = 0; n < expected.batch(); ++n) {
    const float* right = expected.data() + n * classes;
    const float* other = found.data() + n * classes;
    same +=
        std::max_element(right, right + classes) - right == std::max_element(other, other + classes) - other;
  }
  return {std::sqrt(error / size), static_cast<double>(same) / expected.batch()};
}

}  // namespace bitsmith::trainer::test
