#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// kmeans1..kmeans8: a codebook of 2^b centroids for each slice that makes the squared error small
/// (kmeans.hpp; Han et al. 2016, Deep Compression, arXiv:1510.00149), and for each element the index of the
/// nearest one, of equally near ones the lowest. Codebooks ascend; a slice with fewer distinct values keeps
/// these, and repeats the last where entries are left. Slices draw seeds of their own.
void encode_kmeans(const Values& x, Encoded& to);
void decode_kmeans(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
