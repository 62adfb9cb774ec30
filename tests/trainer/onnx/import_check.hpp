#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "trainer/network.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/import.hpp"

namespace bitsmith::tests {

/// Some images through the imported network, and as many at once as the file says through the operators
/// themselves.
inline void check_import(const std::string& what, const trainer::onnx::Model& model) {
  BOOST_TEST_CONTEXT(what) {
    const trainer::onnx::ImportedNetwork imported = trainer::onnx::import_model(model, what);
    trainer::Network network(imported.info, 1);
    trainer::onnx::put_numbers(imported, network);
    const std::vector<std::int64_t> in = imported.input_layout.memory_order(),
                                    out = imported.output_layout.memory_order();
    const auto batch = static_cast<int>(imported.input_layout.batch());
    const int calls = batch == 1 ? 3 : 1;
    trainer::Tensor images(calls * batch, imported.info.nodes[0].output);
    base::Rng rng(3);
    for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
    const trainer::Tensor& got = network.forward(images, trainer::Mode::evaluate);
    for (int call = 0; call < calls; ++call) {
      trainer::onnx::Tensor x =
          trainer::onnx::Tensor::make(trainer::onnx::ElementType::float32, imported.input_layout.shape());
      for (std::size_t i = 0; i < in.size() * static_cast<std::size_t>(batch); ++i)
        x.as<float>()[i] = images.sample(call * batch + static_cast<int>(i / in.size()))[in[i % in.size()]];
      const std::vector<trainer::onnx::Tensor> expected = trainer::onnx::evaluate(model, {{"x", x}});
      const auto values = expected.at(0).as<float>();
      BOOST_REQUIRE(values.size() == out.size() * static_cast<std::size_t>(batch));
      BOOST_TEST((expected[0].dims == imported.output_layout.shape()));
      double worst = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const float ours = got.sample(call * batch + static_cast<int>(i / out.size()))[out[i % out.size()]];
        worst = std::max(worst, std::abs(static_cast<double>(ours) - static_cast<double>(values[i])) /
                                    (1 + std::abs(static_cast<double>(values[i]))));
      }
      BOOST_TEST(worst <= 2e-5);
    }
  }
}

inline std::string why_refused(const trainer::onnx::Model& model) {
  try {
    trainer::onnx::import_model(model, "m.onnx");
  } catch (const base::UserError& error) {
    return error.what();
  }
  return {};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// One thing about a model that is not as it was.
inline void spoil(trainer::onnx::Model& model, base::Rng& rng) {
  constexpr std::int64_t kOdd[] = {
      -1, 0, 1, 2, 3, 7, -9, std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::min()};
  const auto odd = [&] { return kOdd[rng.below(std::size(kOdd))]; };
  trainer::onnx::Node& node = model.graph.nodes[rng.below(model.graph.nodes.size())];
  auto tensor = model.graph.initializers.begin();
  std::advance(tensor, rng.below(model.graph.initializers.size()));
  switch (rng.below(6)) {
    case 0:
      for (auto& [name, attribute] : node.attributes) {
        attribute.integer = odd();
        if (!attribute.integers.empty()) attribute.integers[rng.below(attribute.integers.size())] = odd();
      }
      break;
    case 1:
      if (!node.inputs.empty()) node.inputs[rng.below(node.inputs.size())] = "x";
      break;
    case 2:
      if (!node.inputs.empty()) node.inputs.pop_back();
      break;
    case 3:
      node.attributes.clear();
      break;
    case 4:
      node.op = model.graph.nodes[rng.below(model.graph.nodes.size())].op;
      break;
    default:
      if (tensor->second.type == trainer::onnx::ElementType::int64 && tensor->second.elements() > 0)
        tensor->second.as<std::int64_t>()[0] = odd();
      else if (!tensor->second.dims.empty())
        std::swap(tensor->second.dims.front(), tensor->second.dims.back());
  }
}

}  // namespace bitsmith::tests
