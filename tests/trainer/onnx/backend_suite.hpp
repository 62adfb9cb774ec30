#pragma once

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/onnx/read_tensor.hpp"

/// ONNX's own test cases of single operators, as Debian's libonnx-testdata installs them.
namespace bitsmith::tests {

inline const std::filesystem::path kBackendSuite = "/usr/share/libonnx-testdata/data/node";

/// A case's model, as the file has it; its inputs and what they should give.
struct SuiteCase {
  std::string name;
  ::onnx::ModelProto proto;
  std::set<std::string> operators;

  std::filesystem::path folder() const { return kBackendSuite / name; }

  /// Throws UserError where the reader refuses it. Models of opsets that are not read are taken for those of
  /// the oldest that is: their operators have not changed between.
  trainer::onnx::Model model() const {
    ::onnx::ModelProto raised = proto;
    for (auto& opset : *raised.mutable_opset_import())
      if (opset.domain().empty() && opset.version() < trainer::onnx::kOldestOpset)
        opset.set_version(trainer::onnx::kOldestOpset);
    return trainer::onnx::parse_model(raised.SerializeAsString(), name, folder());
  }

  /// The suite keeps bfloat16 as uint16: the model knows better.
  trainer::onnx::Tensor tensor(const std::string& file, const trainer::onnx::Value& value) const {
    ::onnx::TensorProto tensor;
    const std::string bytes = base::read_file(folder() / "test_data_set_0" / file);
    if (!tensor.ParseFromString(bytes)) throw base::UserError(name + ", " + file + ": no tensor");
    trainer::onnx::ExternalData none({});
    trainer::onnx::Tensor read = trainer::onnx::read_tensor(tensor, file, none);
    using trainer::onnx::ElementType;
    if (read.type == ElementType::uint16 && value.type == ElementType::bfloat16) read.type = value.type;
    return read;
  }

  std::map<std::string, trainer::onnx::Tensor> inputs(const trainer::onnx::Model& model) const {
    std::map<std::string, trainer::onnx::Tensor> inputs;
    std::size_t i = 0;
    for (const auto& value : model.graph.inputs)
      inputs[value.name] = tensor("input_" + std::to_string(i++) + ".pb", value);
    return inputs;
  }

  std::vector<trainer::onnx::Tensor> outputs(const trainer::onnx::Model& model) const {
    std::vector<trainer::onnx::Tensor> outputs;
    std::size_t o = 0;
    for (const auto& value : model.graph.outputs)
      outputs.push_back(tensor("output_" + std::to_string(o++) + ".pb", value));
    return outputs;
  }
};

/// In the order of their names; none where the package is not installed.
inline std::vector<SuiteCase> backend_suite() {
  std::vector<SuiteCase> cases;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(kBackendSuite, code)) {
    SuiteCase read{entry.path().filename().string(), {}, {}};
    if (!read.proto.ParseFromString(base::read_file(entry.path() / "model.onnx"))) continue;
    for (const auto& node : read.proto.graph().node())
      read.operators.insert(node.domain().empty() ? node.op_type() : node.domain() + "." + node.op_type());
    cases.push_back(std::move(read));
  }
  std::ranges::sort(cases, {}, &SuiteCase::name);
  return cases;
}

}  // namespace bitsmith::tests
