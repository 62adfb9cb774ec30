#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The inner loops of packed_layer.cpp: rows of activations times a tile of weights, exactly, in int32.
/// Blocks are those of PackedMatrix with interleave 4; depth is a multiple of 8 (2 bits:
/// of 16), width of 16, at most 64.
struct PackedGemmKernels {
  int element_bytes;  ///< of a row's element and a tile's weight: 1 (u8 times s8) or 2 (s16 times s16)
  int zero;           ///< what a row holds for a signed activation of 0: 128 where rows are unsigned, else 0
  int max_rows;       ///< of one multiply

  /// n activations of one byte into a row.
  void (*load_unsigned)(const void* from, std::int64_t n, void* row);
  void (*load_signed)(const void* from, std::int64_t n, void* row);
  /// A packed block into a tile of width * depth * element_bytes. decode_int8 is null where a block is its
  /// own tile.
  void (*decode_int8)(const std::uint8_t* block, std::int64_t depth, int width, void* tile);
  void (*decode_int4)(const std::uint8_t* block, std::int64_t depth, int width, void* tile);
  void (*decode_int2)(const std::uint8_t* block, std::int64_t depth, int width, void* tile);
  /// sums[row][width] = rows * tile
  void (*multiply)(const void* rows, std::int64_t row_bytes, int row_count, const void* tile,
                   std::int64_t depth, int width, std::int32_t* sums);
  /// The same from a 4-bit block without a tile, for few rows; null where it is not worth it.
  void (*multiply_int4)(const void* rows, std::int64_t row_bytes, int row_count, const std::uint8_t* block,
                        std::int64_t depth, int width, std::int32_t* sums);
  /// Likewise from a 2-bit block, but 128 less for each element of the rows.
  void (*multiply_int2)(const void* rows, std::int64_t row_bytes, int row_count, const std::uint8_t* block,
                        std::int64_t depth, int width, std::int32_t* sums);
};

namespace scalar {
extern const PackedGemmKernels packed_gemm_kernels;
}
namespace avx2 {
extern const PackedGemmKernels packed_gemm_kernels;
}
namespace avx512 {
extern const PackedGemmKernels packed_gemm_kernels;
}

}  // namespace bitsmith::quant
