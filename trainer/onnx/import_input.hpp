#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/onnx/layout.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// The input as the network has it, and how the file sees that.
struct ImportedInput {
  quant::Shape shape;
  Layout layout;
};

/// The first dimension is the batch; which other one is the channels, its readers say: the second one of what
/// a convolution, a pool or a batch norm reads, the last one of what a matrix product or a layer norm reads,
/// through transposes and what works element by element. The first reader that says something is believed;
/// where none does, the second dimension it is: N,F, N,C,L or N,C,H,W. The others are the height and width;
/// where there is one, as of tokens (N,T,C), the width.
///
/// `wanted` replaces dimensions that the file leaves open. Throws UserError for inputs of another type or
/// rank, and where more than the batch is open.
ImportedInput imported_input(const Value& value, const std::vector<const Node*>& nodes,
                             const std::string& source, std::optional<quant::Shape> wanted);

}  // namespace bitsmith::trainer::onnx
