#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "quant/options.hpp"

namespace bitsmith::quant {

// The weights of a layer in a number format: a matrix of one row for each output channel. Blocks run along
// the rows; fp32 scales are one for each row or one for all. K-means has one codebook for all rows: one for
// each would often be larger than the codes.

/// The encoding of `channels` rows of weights. Throws UserError as encode() does.
Encoded encode_weights(std::span<const float> weights, std::int64_t channels, Format format,
                       Granularity granularity);

/// The shape, options and format of that encoding, without its numbers: what unpack() is told.
Encoded weight_encoding_of(std::int64_t weights, std::int64_t channels, Format format,
                           Granularity granularity);

/// What pack() makes of it: codes and all scales and codebooks.
std::int64_t packed_weight_bytes(std::int64_t weights, std::int64_t channels, Format format,
                                 Granularity granularity);

/// Weights as a kernel on integers has them: weight = level * scale of its row.
struct WeightLevels {
  std::vector<std::int8_t> levels;
  std::vector<float> scales;  ///< one for each row, or one for all
};
/// Of a format that is not decoded (serving.hpp); InternalError otherwise.
WeightLevels weight_levels(const Encoded& encoded);

}  // namespace bitsmith::quant
