#pragma once

#include <span>
#include <string>

#include "quant/formats/encoding.hpp"

namespace bitsmith::experiments {

/// What `bitsmith quantize` tells of a tensor in a format.
struct QuantizationReport {
  std::string source;
  quant::Format format;
  quant::ErrorMeasures error;
  double clipped = 0;         ///< share of elements beyond the format's ends
  double effective_bits = 0;  ///< with all scales
};

/// Throws UserError unless the name ends in .npy, .h5 or .hdf5.
void check_output_name(const std::string& path);

/// Writes codes, scales and the dequantized tensor, atomically for each file. An HDF5 file has the datasets
///
///   codes              int32, the tensor's shape
///   dequantized        float32, likewise
///   packed             uint8: the true bits (quant/formats/README.md)
///   scales             float32: what a code is multiplied with, one for each slice or innermost block
///   zero_points        int32, affine integers: one for each slice
///   codebook           float32: k-means' centroids, ttq's Wp and Wn; the last axis counts them
///   slice_scales       float32: the fp32 scale above the blocks of nvfp4 and vsq
///   block_scales       float32: what the blocks' own stored scales stand for (2^e, an fp8 number, an
///   integer) block_scale_codes  int32: these as they are stored pair_shifts        int32, mx9, mx6, mx4: for
///   each two elements along the axis
///
/// as far as the format has them, and the report as attributes of the file. OUT.npy is the dequantized
/// tensor, and the others are OUT.codes.npy, OUT.scales.npy and so on beside it.
void write_encoded(const std::string& path, const quant::Encoded& encoded, std::span<const float> dequantized,
                   const QuantizationReport& report);

}  // namespace bitsmith::experiments
