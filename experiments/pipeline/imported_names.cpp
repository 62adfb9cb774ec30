#include "experiments/pipeline/imported_names.hpp"

#include <string_view>

#include "trainer/onnx/file.hpp"

namespace bitsmith::experiments {
namespace {

constexpr std::string_view kInput = "onnx.input", kOutput = "onnx.output", kMetadata = "onnx.metadata.";

}  // namespace

void keep_names(const NetworkOptions& network, NamedTexts& provenance) {
  if (network.model.empty()) return;
  const trainer::onnx::Model model = trainer::onnx::read_model(network.model);
  provenance.emplace_back(kInput, model.graph.inputs.at(0).name);
  provenance.emplace_back(kOutput, model.graph.outputs.at(0).name);
  for (const auto& [key, value] : model.metadata)
    provenance.emplace_back(std::string(kMetadata) + key, value);
}

ImportedNames take_names(NamedTexts& provenance) {
  ImportedNames names;
  NamedTexts rest;
  for (auto& [key, value] : provenance) {
    if (key == kInput)
      names.input = std::move(value);
    else if (key == kOutput)
      names.output = std::move(value);
    else if (key.starts_with(kMetadata))
      names.metadata.emplace_back(key.substr(kMetadata.size()), std::move(value));
    else
      rest.emplace_back(std::move(key), std::move(value));
  }
  provenance = std::move(rest);
  return names;
}

}  // namespace bitsmith::experiments
