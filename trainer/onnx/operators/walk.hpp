#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "trainer/onnx/operators/call.hpp"

/// Steps through tensors of any rank.
namespace bitsmith::trainer::onnx {

using Strides = std::vector<std::int64_t>;  ///< in elements, one for each dim

Strides row_major(const Dims& dims);
/// Of a tensor of dims `from` seen as one of dims `to`: 0 where one element stands for all. Refuses dims that
/// do not broadcast.
Strides broadcast_strides(const Dims& from, const Dims& to);
/// The dims that both broadcast to.
Dims broadcast_dims(const Dims& a, const Dims& b);

/// Calls body(i, offsets) for each element of a tensor of dims `dims` in row-major order: i counts, and
/// offsets[k] is where the element lies under strides[k].
template <std::size_t N, typename Body>
void walk(const Dims& dims, const std::array<const Strides*, N>& strides, Body&& body) {
  for (const std::int64_t extent : dims)
    if (extent == 0) return;
  const std::size_t rank = dims.size();
  std::vector<std::int64_t> position(rank, 0);
  std::array<std::int64_t, N> offsets{};
  const std::int64_t inner = rank == 0 ? 1 : dims[rank - 1];
  std::array<std::int64_t, N> steps{};
  if (rank > 0)
    for (std::size_t k = 0; k < N; ++k) steps[k] = (*strides[k])[rank - 1];
  std::size_t i = 0;
  while (true) {
    std::array<std::int64_t, N> at = offsets;
    for (std::int64_t j = 0; j < inner; ++j) {
      body(i++, at);
      for (std::size_t k = 0; k < N; ++k) at[k] += steps[k];
    }
    if (rank < 2) return;
    std::size_t d = rank - 1;
    while (d-- > 0) {
      for (std::size_t k = 0; k < N; ++k) offsets[k] += (*strides[k])[d];
      if (++position[d] < dims[d]) break;
      for (std::size_t k = 0; k < N; ++k) offsets[k] -= (*strides[k])[d] * dims[d];
      position[d] = 0;
      if (d == 0) return;
    }
  }
}

}  // namespace bitsmith::trainer::onnx
