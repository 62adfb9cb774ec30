#pragma once

#include <cstdint>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// A layer as products of rows and a matrix: one row per output pixel and group, holding the window's inputs
/// in the order (kernel row, kernel column, input channel). A linear layer has one pixel an image.
struct RowGeometry {
  Shape input, output;
  Window window;
  int groups = 1;
  int batch = 1;

  RowGeometry(const LayerInfo& layer, int images);
  int inputs() const { return input.channels / groups; }    ///< of a group
  int outputs() const { return output.channels / groups; }  ///< of a group
  std::int64_t depth() const { return std::int64_t{inputs()} * window.kernel_h * window.kernel_w; }
  std::int64_t pixels() const { return std::int64_t{batch} * output.height * output.width; }
  /// Whether a pixel's inputs already lie in memory as its row does, rows one after the other.
  bool rows_are_input() const;

  /// One group's weights of O,I/groups,H,W as a matrix [outputs][depth] in rows' order.
  std::vector<std::int8_t> group_matrix(const std::vector<std::int8_t>& weights, int group) const;
};

/// Copies n elements, converting them to the rows' type.
using LoadRun = void (*)(const void* from, std::int64_t n, void* row);

/// Gathers the rows of pixels first .. first + count - 1 of one group. `input_bytes` and `row_bytes_each` are
/// the sizes of an element in the input and in a row; padding is filled with bytes of value `zero`. Rows are
/// `stride` bytes apart; what lies behind a row's depth is left alone.
void gather_rows(const RowGeometry& geometry, int group, std::int64_t first, std::int64_t count,
                 const void* input, int input_bytes, int row_bytes_each, int zero, LoadRun load,
                 std::int64_t stride, void* rows);

}  // namespace bitsmith::quant
