#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

std::size_t element_bytes(ElementType type) {
  if (element_bits(type) < 8) fail_of_type(type);
  return static_cast<std::size_t>(element_bits(type)) / 8;
}

/// Bytes of what lies behind one index on the axis.
std::size_t slab_bytes(const Tensor& tensor, std::size_t axis) {
  return static_cast<std::size_t>(extent_of(tensor.dims, axis + 1, tensor.dims.size())) *
         element_bytes(tensor.type);
}

void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void concat(const OperatorCall& call) {
  const Tensor& first = input(call, 0);
  const std::size_t axis = axis_of(call.node.integer("axis", 1), first.dims.size());
  Dims dims = first.dims;
  dims[axis] = 0;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Tensor& part = input(call, i);
    expect_same_type(first, part);
    bool is_fit = part.dims.size() == dims.size();
    for (std::size_t d = 0; is_fit && d < dims.size(); ++d) is_fit = d == axis || part.dims[d] == dims[d];
    if (!is_fit)
      fail(fmt::format("{} and {} do not join along axis {}", show(first.dims), show(part.dims), axis));
    dims[axis] += part.dims[axis];
    if (dims[axis] > kMostElements) fail("its output would be too large");
  }
  Tensor& y = make_output(call, 0, first.type, dims);
  if (y.bytes.empty()) return;
  const std::int64_t outer = extent_of(dims, 0, axis);
  check_work(call, {outer, static_cast<std::int64_t>(call.inputs.size())});
  std::byte* to = y.bytes.data();
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      const Tensor& part = input(call, i);
      const std::size_t bytes = static_cast<std::size_t>(part.dims[axis]) * slab_bytes(part, axis);
      copy(to, part.bytes.data() + static_cast<std::size_t>(o) * bytes, bytes);
      to += bytes;
    }
}

// Sizes are an attribute before opset 13, an input from then on, or left out: equal parts, of which from
// opset 18 (num_outputs) the last may be smaller.
std::vector<std::int64_t> split_sizes(const OperatorCall& call, std::int64_t extent) {
  const auto parts = static_cast<std::int64_t>(call.node.outputs.size());
  const auto given = optional_integers(call, 1, "split");
  const std::int64_t number = call.node.integer("num_outputs", parts);
  if (number != parts) fail(fmt::format("num_outputs is {}, it has {} outputs", number, parts));
  std::vector<std::int64_t> sizes;
  if (given) {
    sizes = *given;
  } else if (extent % parts == 0 || call.opset >= 18) {
    const std::int64_t size = (extent + parts - 1) / parts;
    for (std::int64_t p = 0; p < parts; ++p)
      sizes.push_back(std::clamp<std::int64_t>(extent - p * size, 0, size));
  } else {
    fail(fmt::format("{} elements do not make {} equal parts", extent, parts));
  }
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0 || size > extent - sum)
      fail(fmt::format("parts of {} do not make {} elements", show(sizes), extent));
    sum += size;
  }
  if (sum != extent || static_cast<std::int64_t>(sizes.size()) != parts)
    fail(fmt::format("parts of {} do not make {} elements in {} outputs", show(sizes), extent, parts));
  return sizes;
}

void split(const OperatorCall& call) {
  expect_inputs(call, 1, 2);
  const Tensor& x = input(call, 0);
  const std::size_t axis = axis_of(call.node.integer("axis", 0), x.dims.size());
  const auto sizes = split_sizes(call, x.dims[axis]);
  const std::int64_t outer = extent_of(x.dims, 0, axis);
  const std::size_t slab = slab_bytes(x, axis), row = slab * static_cast<std::size_t>(x.dims[axis]);
  check_work(call, {outer, static_cast<std::int64_t>(sizes.size())});
  std::size_t begin = 0;
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    Dims dims = x.dims;
    dims[axis] = sizes[p];
    Tensor& part = make_output(call, p, x.type, dims);
    const std::size_t bytes = static_cast<std::size_t>(sizes[p]) * slab;
    for (std::int64_t o = 0; o < outer; ++o)
      copy(part.bytes.data() + static_cast<std::size_t>(o) * bytes,
           x.bytes.data() + static_cast<std::size_t>(o) * row + begin, bytes);
    begin += bytes;
  }
}

constexpr OperatorRow kRows[] = {{"Concat", concat}, {"Split", split}};

}  // namespace

std::span<const OperatorRow> join_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
