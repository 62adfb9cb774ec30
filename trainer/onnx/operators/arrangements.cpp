#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// The output, of dims `dims`, takes its elements from the input under these strides.
void arrange(const OperatorCall& call, const Dims& walked, const Strides& strides, const Dims& dims) {
  const Tensor& x = input(call, 0);
  Tensor& y = make_output(call, 0, x.type, dims);
  visit_width(x.type, [&]<typename T>() {
    const auto from = raw<T>(x);
    const auto to = raw<T>(y);
    walk<1>(walked, {&strides},
            [&](std::size_t i, const auto& at) { to[i] = from[static_cast<std::size_t>(at[0])]; });
  });
}

/// Axis d of the result is axis order[d] of `dims`.
void permute(const OperatorCall& call, const Dims& dims, const std::vector<std::size_t>& order,
             const std::optional<Dims>& seen_as = std::nullopt) {
  const Strides own = row_major(dims);
  Dims walked;
  Strides strides;
  for (const std::size_t axis : order) {
    walked.push_back(dims[axis]);
    strides.push_back(own[axis]);
  }
  arrange(call, walked, strides, seen_as.value_or(walked));
}

void transpose(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Dims& x = input(call, 0).dims;
  std::vector<std::int64_t> backwards(x.size());
  std::iota(backwards.rbegin(), backwards.rend(), 0);
  const auto order = axes_of(call.node.integers("perm", backwards), x.size());
  if (order.size() != x.size()) fail(fmt::format("perm has {} axes, its input {}", order.size(), x.size()));
  permute(call, x, order);
}

// The shape broadcasts too: where it is 1 the input's extent stays.
void expand(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Dims& x = input(call, 0).dims;
  const Dims shape = integers_of(input(call, 1), "shape");
  if (!count_elements(shape)) fail(fmt::format("shape is {}", show(shape)));
  const Dims dims = broadcast_dims(x, shape);
  if (!count_elements(dims, call.most_elements)) fail(fmt::format("its output would be {}", show(dims)));
  arrange(call, dims, broadcast_strides(x, dims), dims);
}

void tile(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Dims& x = input(call, 0).dims;
  const Dims repeats = integers_of(input(call, 1), "repeats");
  if (repeats.size() != x.size())
    fail(fmt::format("it has {} repeats for {} axes", repeats.size(), x.size()));
  // Each axis as two: repetition, then element.
  const Strides own = row_major(x);
  Dims walked, dims;
  Strides strides;
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (!count_elements({x[d], repeats[d]}, call.most_elements))
      fail(fmt::format("repeats {} of {} are not possible", show(repeats), show(x)));
    walked.insert(walked.end(), {repeats[d], x[d]});
    strides.insert(strides.end(), {0, own[d]});
    dims.push_back(x[d] * repeats[d]);
  }
  arrange(call, walked, strides, dims);
}

struct Blocks {
  std::int64_t size, batch, channels, height, width;
};
Blocks blocks_of(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Dims& x = input(call, 0).dims;
  const std::int64_t size = call.node.integer("blocksize", 0);
  if (x.size() != 4) fail(fmt::format("its input is {}, 4 axes are needed", show(x)));
  if (size < 1 || size > (1 << 15)) fail(fmt::format("blocksize is {}", size));
  return {size, x[0], x[1], x[2], x[3]};
}

void depth_to_space(const OperatorCall& call) {
  const auto [size, batch, channels, height, width] = blocks_of(call);
  if (channels % (size * size) != 0)
    fail(fmt::format("{} channels do not make blocks of {}", channels, size));
  const std::int64_t depth = channels / (size * size);
  const Dims result{batch, depth, height * size, width * size};
  if (word(call, "mode", "DCR", {"DCR", "CRD"}) == "DCR")
    return permute(call, {batch, size, size, depth, height, width}, {0, 3, 4, 1, 5, 2}, result);
  permute(call, {batch, depth, size, size, height, width}, {0, 1, 4, 2, 5, 3}, result);
}

void space_to_depth(const OperatorCall& call) {
  const auto [size, batch, channels, height, width] = blocks_of(call);
  if (height % size != 0 || width % size != 0)
    fail(fmt::format("{}x{} does not make blocks of {}", height, width, size));
  permute(call, {batch, channels, height / size, size, width / size, size}, {0, 3, 5, 1, 2, 4},
          Dims{batch, channels * size * size, height / size, width / size});
}

constexpr OperatorRow kRows[] = {
    {"DepthToSpace", depth_to_space}, {"Expand", expand}, {"SpaceToDepth", space_to_depth}, {"Tile", tile},
    {"Transpose", transpose},
};

}  // namespace

std::span<const OperatorRow> arrangement_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
