#include "trainer/onnx/operators/walk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bitsmith::trainer::onnx {

Strides row_major(const Dims& dims) {
  Strides strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t d = dims.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= dims[d];
  }
  return strides;
}

Strides broadcast_strides(const Dims& from, const Dims& to) {
  const auto refuse = [&] { fail(fmt::format("{} does not broadcast to {}", show(from), show(to))); };
  if (from.size() > to.size()) refuse();
  const Strides own = row_major(from);
  const std::size_t added = to.size() - from.size();
  Strides strides(to.size(), 0);
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (from[d] == to[d + added]) {
      strides[d + added] = from[d] == 1 ? 0 : own[d];
    } else if (from[d] != 1) {
      refuse();
    }
  }
  return strides;
}

Dims broadcast_dims(const Dims& a, const Dims& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Dims dims(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t from_a = d + a.size() < rank ? 1 : a[d + a.size() - rank];
    const std::int64_t from_b = d + b.size() < rank ? 1 : b[d + b.size() - rank];
    if (from_a != from_b && from_a != 1 && from_b != 1)
      fail(fmt::format("{} and {} do not broadcast", show(a), show(b)));
    dims[d] = from_a == 1 ? from_b : from_a;
  }
  return dims;
}

}  // namespace bitsmith::trainer::onnx
