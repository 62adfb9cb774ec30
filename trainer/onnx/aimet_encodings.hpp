#pragma once

#include <string>
#include <vector>

#include "trainer/onnx/export.hpp"

namespace bitsmith::trainer::onnx {

struct AimetEncodings {
  std::string json;
  /// What AIMET's encodings cannot say: "conv2: weights in mxfp4: AIMET has integers alone".
  std::vector<std::string> left_out;
};

/// The scales of a deployed model in the form of AIMET's encodings, version 0.6.1: `activation_encodings` by
/// tensor and `param_encodings` by weight (a list: one or one a channel), called as export_fp32 calls them
/// for the same network and names. An entry is {bitwidth, dtype, is_symmetric, max, min, offset, scale}.
/// Signed integers have AIMET's range, -2^(b-1) to 2^(b-1)-1, one level more than ours at the low end: no
/// weight is on it. Throws UserError for models that do not know their scales, and for dynamic ones.
AimetEncodings aimet_encodings(const DeployedModel& model, const ExportNames& names = {});

}  // namespace bitsmith::trainer::onnx
