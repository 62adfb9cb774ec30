#pragma once

#include "quant/policy.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/qat.hpp"

namespace bitsmith::trainer::onnx {

/// The bits that pairs of quantizers give the layers; fp32 for layers behind none.
quant::Policy imported_policy(const ImportedNetwork& imported);

/// Makes a network, which has the imported numbers, compute under that policy, at the file's own scales;
/// where it has none that fit, at those of `table` and at scales found from the weights.
void apply_imported_policy(Network& network, const ImportedNetwork& imported, CalibrationTable table);

}  // namespace bitsmith::trainer::onnx
