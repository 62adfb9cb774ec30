#include <fmt/format.h>

#include <numeric>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/pick.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Where index i of an axis, which may lie outside, takes its element from; -1: the constant.
std::int64_t source(std::int64_t i, std::int64_t extent, const std::string& mode) {
  const auto modulo = [](std::int64_t a, std::int64_t b) { return (a % b + b) % b; };
  if (i >= 0 && i < extent) return i;
  if (mode == "constant") return -1;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  if (mode == "wrap") return modulo(i, extent);
  if (extent == 1) return 0;
  const std::int64_t folded = modulo(i, 2 * (extent - 1));
  return folded < extent ? folded : 2 * (extent - 1) - folded;
}

struct Pads {
  Dims begin, end;  ///< for each axis; negative ones cut
};

// Attributes before opset 11, inputs from then on, for chosen axes from 18 on.
Pads pads_of(const OperatorCall& call) {
  const std::size_t rank = input(call, 0).dims.size();
  const auto given = optional_integers(call, 1, "pads");
  if (!given) fail("pads are missing");
  std::vector<std::int64_t> all(rank);
  std::iota(all.begin(), all.end(), 0);
  const Tensor* chosen = optional_input(call, 3);
  const auto axes = axes_of(chosen ? integers_of(*chosen, "axes") : all, rank);
  if (given->size() != 2 * axes.size())
    fail(fmt::format("it has {} pads for {} axes, two for each are needed", given->size(), axes.size()));
  Pads pads{Dims(rank, 0), Dims(rank, 0)};
  for (std::size_t a = 0; a < axes.size(); ++a) {
    pads.begin[axes[a]] = (*given)[a];
    pads.end[axes[a]] = (*given)[a + axes.size()];
  }
  return pads;
}

void pad(const OperatorCall& call) {
  expect_inputs(call, 1, 4);
  const Tensor& x = input(call, 0);
  const std::string mode = word(call, "mode", "constant", {"constant", "reflect", "edge", "wrap"});
  const Pads pads = pads_of(call);
  Dims dims = x.dims;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    const std::int64_t begin = pads.begin[d], end = pads.end[d];
    if (begin > kMostElements || begin < -kMostElements || end > kMostElements || end < -kMostElements)
      fail(fmt::format("its output would be too large or too small: pads are {} and {}", begin, end));
    dims[d] += begin + end;
    if (dims[d] < 0)
      fail(fmt::format("pads {} and {} cut more than the {} there are", begin, end, x.dims[d]));
    if (x.dims[d] == 0 && dims[d] > 0 && mode != "constant")
      fail(fmt::format("its input is {}: there is nothing to repeat", show(x.dims)));
  }
  Tensor& y = make_output(call, 0, x.type, dims);
  // Where each index of each axis comes from: an offset, or -1.
  const Strides strides = row_major(x.dims);
  std::vector<std::vector<std::int64_t>> offsets(dims.size());
  if (!y.bytes.empty())
    for (std::size_t d = 0; d < dims.size(); ++d)
      for (std::int64_t i = 0; i < dims[d]; ++i) {
        const std::int64_t from = source(i - pads.begin[d], x.dims[d], mode);
        offsets[d].push_back(from < 0 ? -1 : from * strides[d]);
      }
  const Tensor* value = optional_input(call, 2);
  if (value) {
    expect_same_type(x, *value);
    if (value->elements() != 1)
      fail(fmt::format("its constant must be one value, not {}", show(value->dims)));
  }
  Tensor constant = Tensor::make(x.type, {1});
  if (value) {
    constant.bytes = value->bytes;
  } else {
    from_doubles(std::vector<double>{call.node.real("value", 0)}, constant);
  }
  pick(x, offsets, &constant, y);
}

constexpr OperatorRow kRows[] = {{"Pad", pad}};

}  // namespace

std::span<const OperatorRow> pad_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
