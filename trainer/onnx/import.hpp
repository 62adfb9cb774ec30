#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/policy.hpp"
#include "trainer/network.hpp"
#include "trainer/onnx/layout.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// What a pair of QuantizeLinear and DequantizeLinear says of a layer, in the terms of a policy: integers
/// that are symmetric, or begin at 0.
struct ImportedBits {
  int weight_bits = quant::kFloatBits, activation_bits = quant::kFloatBits;
  std::vector<float> weight_scales;  ///< one, or one for each output channel; empty: they are to be found
  float activation_scale = 0;
};

/// An ONNX model as a network: what it computes, its numbers, and what it calls things.
struct ImportedNetwork {
  quant::NetworkInfo info;
  std::map<std::string, std::vector<float>> numbers;  ///< of every parameter and buffer, by name
  std::string input_name, output_name;
  Layout input_layout, output_layout;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::map<std::string, ImportedBits> bits;    ///< by layer; empty where nothing is quantized
  bool has_quantizers = false;                 ///< of tensors, whether layers compute under them or not
  std::map<std::string, float> tensor_scales;  ///< of what pairs round between other operations, by node
  std::vector<std::string> notes;              ///< what a user should know, e.g. a zero point that is dropped
};

/// Translates a model, whose one input becomes the images and whose one output the logits. Constants are
/// folded, what does not reach the output is left out, and the batch is free, whatever the file says: where
/// that fixes one, the number stands for the batch in the file's constants.
///
/// Layers are named as the file's weights are ("layer1.0.conv1" for "layer1.0.conv1.weight"), or else as its
/// nodes. `input` replaces dimensions of the input that the file leaves open. Throws UserError that lists,
/// with their nodes, all operators that are unknown and all uses of known ones that no network here can do.
ImportedNetwork import_model(const Model& model, const std::string& source,
                             std::optional<quant::Shape> input = std::nullopt);

/// read_model and import_model.
ImportedNetwork import_file(const std::filesystem::path& file,
                            std::optional<quant::Shape> input = std::nullopt);

/// Puts the imported numbers into a network of that description.
void put_numbers(const ImportedNetwork& imported, Network& network);

}  // namespace bitsmith::trainer::onnx
