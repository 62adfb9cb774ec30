#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "experiments/commands/command.hpp"

namespace bitsmith::experiments {

/// `bitsmith infer MODEL.onnx`: arrays in, arrays out.
struct OnnxInferOptions {
  std::vector<std::string> inputs;  ///< NAME=FILE.npy, or FILE.npy of a model with one input
  std::string output;               ///< .npz, or .npy
  std::string policy;               ///< YAML, or uniform:BITS; empty: fp32
  bool bench = false;
  int runs = 20;
};

void add_onnx_infer_options(CLI::App& command, OnnxInferOptions& options);

/// Throws UserError for models, arrays and policies that do not fit.
void infer_onnx(const std::string& model, const OnnxInferOptions& options, int batch, bool json,
                const Streams& streams);

}  // namespace bitsmith::experiments
