#pragma once

#include <cstdint>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// y at (i, j, ...) is the element of x at offset offsets[0][i] + offsets[1][j] + ..., in elements, or
/// `filling` where one of these is -1 (nullptr: none is). y has as many elements as the tables combine to.
void pick(const Tensor& x, const std::vector<std::vector<std::int64_t>>& offsets, const Tensor* filling,
          Tensor& y);

}  // namespace bitsmith::trainer::onnx
