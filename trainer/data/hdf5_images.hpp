#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// An HDF5 file with `images` (N, C, H, W; uint8, or float32 that is used as it is) and `labels` (N
/// integers). Images of more than `options.memory_bytes` are not loaded but read in blocks, of which so much
/// is kept.
Dataset load_hdf5_images(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
