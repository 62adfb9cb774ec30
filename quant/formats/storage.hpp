#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "quant/formats/slicing.hpp"

namespace bitsmith::quant {

/// Elements of each array that format, shape and options give.
struct ArraySizes {
  std::int64_t codes = 0, scales = 0, zero_points = 0, codebook = 0, block_scales = 0, pair_shifts = 0;
};
ArraySizes array_sizes(const Encoded& encoded);

/// An Encoded whose arrays have the sizes that format, shape and options give them, all filled with 0.
/// Throws UserError as check_options and Slices do.
Encoded allocate(Format format, std::span<const std::int64_t> shape, const EncodingOptions& options);
/// The same without room for codes, for whoever wants them elsewhere or not at all.
Encoded allocate_scales(Format format, std::span<const std::int64_t> shape, const EncodingOptions& options);

/// Elements of a format's own blocks: as the options say, else as its row does.
int block_size(const Encoded& encoded);

/// What shares a scale, codebook or zero point of `scale_shape`: the slices of the options, or the blocks of
/// nf4.
Slices scale_slices(const Encoded& encoded);
/// What shares a number of `block_scales`.
Slices block_slices(const Encoded& encoded);
/// What shares one of `pair_shifts`: blocks have an even number of elements, so pairs lie within them.
Slices pair_slices(const Encoded& encoded);

/// For each element, in the tensor's order, the number of its slice.
std::vector<std::int64_t> slice_of_elements(const Slices& slices);

/// Bits of one number in each array, when packed; all of an array are alike.
int zero_point_bits(const Encoded& encoded);
int block_scale_bits(const Encoded& encoded);

}  // namespace bitsmith::quant
