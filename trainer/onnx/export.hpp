#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainer/deployed_model.hpp"
#include "trainer/network.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// What an exported model says of itself, and what its tensors are called. Nodes and the tensors they give
/// are called as NetworkInfo's nodes are, weights NODE.weight and so on (trainer/README.md).
struct ExportNames {
  std::string input = "input", output = "output";
  std::string producer_version;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// How quantization is written down.
enum class Dialect {
  /// QuantizeLinear and DequantizeLinear; weights as integers, up to 4 bits as int4; activations as 8-bit
  /// ones,
  /// clamped to the levels of fewer.
  qdq,
  /// The same with activations of up to 4 bits as uint4 and int4. ONNX Runtime (1.30) gets these wrong: it
  /// loads
  /// no Clip before them, moves MaxPool onto them, and rounds only a part of large tensors.
  qdq_int4,
  qonnx  ///< Quant and BipolarQuant of qonnx.custom_op.general (Pappalardo et al. 2022, arXiv:2206.07527)
};

struct Exported {
  Model model;
  /// Where a width or a format is not the file's own: "conv1: weights of 3 bits are stored as int4".
  std::vector<std::string> emulated;
};

/// The network in fp32: weights as training holds them, batch norms as nodes of their own. Images are N, C,
/// H, W, any N; opset 13, with layer norms 17. Throws UserError for what ONNX cannot say (names the node).
Model export_fp32(const Network& network, const ExportNames& names = {});

/// What the integer network computes, in its numbers: batch norms, biases and scales are where `model` has
/// them, in one weight scale and one bias per channel; activations are rounded where it rounds them, to the
/// same levels. Opset 13, with layer norms 17, with 4-bit tensors (qdq) 21. Throws UserError like the above.
Exported export_quantized(const DeployedModel& model, Dialect dialect, const ExportNames& names = {});

}  // namespace bitsmith::trainer::onnx
