#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// A factor of an axis of the network's tensors. A batch is never cut; it counts as what the file says, or as
/// 1 where that is open.
struct Atom {
  enum class Axis { batch, height, width, channel };
  Axis axis = Axis::batch;
  std::int64_t size = 1;
  bool operator==(const Atom&) const = default;
};

/// How an ONNX tensor of any rank shows a tensor of the network, which is always batch, height, width,
/// channels.
///
/// The axes are factored into atoms, which stand in `atoms` in the order of the network's memory; each
/// dimension of the ONNX tensor is a product of some of them, the slowest first; every atom is in one
/// dimension. So NCHW is {batch}, {channel}, {height}, {width}; tokens are {batch}, {height, width},
/// {channel}; heads of attention split the channels. Reshaping and transposing change the dimensions and move
/// no data. A dimension of 1 has no atoms.
struct Layout {
  std::vector<Atom> atoms;
  std::vector<std::vector<int>> dims;  ///< indices in atoms

  static Layout image(const quant::Shape& shape, std::int64_t batch = 1);     ///< N, C, H, W
  static Layout sequence(const quant::Shape& shape, std::int64_t batch = 1);  ///< N, C, W: images of one row
  static Layout features(std::int64_t count, std::int64_t batch = 1);         ///< N, F

  Dims shape() const;  ///< of the ONNX tensor
  std::int64_t size(int dim) const;
  bool operator==(const Layout&) const = default;

  /// Nothing where the new shape cuts through an axis in a way that is no view.
  std::optional<Layout> reshaped(std::span<const std::int64_t> to) const;
  Layout transposed(std::span<const std::int64_t> order) const;
  Layout without_dim(int dim) const;  ///< of size 1
  Layout with_dim(int at) const;      ///< another one of size 1

  bool holds(int dim, Atom::Axis axis) const;
  /// Whether a dimension is all of the channels, in order, and nothing else.
  bool is_channels(int dim) const;
  /// Likewise the height and the width.
  bool is_pixels(int dim) const;
  /// Whether a dimension is the innermost channels, in order, and nothing else.
  bool is_innermost(int dim) const;
  /// Whether a dimension is the outermost channels, in order, and nothing else.
  bool is_outermost(int dim) const;
  bool is_batch(int dim) const;  ///< of the batch, or of nothing
  int batch_dim() const;         ///< the one that holds the batch
  std::int64_t batch() const;    ///< what the batch counts as
  /// Whether images come one after the other.
  bool is_batch_outermost() const;
  std::int64_t channels() const;
  std::int64_t pixels() const;
  /// The dimension that is all the channels, or -1.
  int channel_dim() const;

  /// NCHW, or NCW with one row.
  bool is_image() const;
  /// The same with all channels as one atom, where they are in one dimension in order.
  Layout merged() const;
  /// The same with `count` channels in place of the dimension that is all of them: `dim`, or channel_dim().
  Layout with_channels(std::int64_t count, int dim = -1) const;
  /// The same with `count` channels in place of a dimension that is_outermost.
  Layout with_outermost(int dim, std::int64_t count) const;
  /// The same with one row of `count` pixels in place of a dimension that is all of them.
  Layout with_pixels(int dim, std::int64_t count) const;
  /// For each element of one image of the ONNX tensor, row by row, where it is in the network's memory.
  std::vector<std::int64_t> memory_order() const;
  /// The same with one pixel: dimensions of pixels alone become 1.
  Layout pooled() const;
};

}  // namespace bitsmith::trainer::onnx
