#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// An HDF5 file with `images` (N, C, H, W; uint8, or float32 that is used as it is) and `labels` (N
/// integers). Images of more than `memory_bytes` are not loaded but read in blocks, of which so much is kept.
Dataset load_hdf5_images(std::span<const std::string> files, DataRole role, std::uint64_t memory_bytes);

}  // namespace bitsmith::trainer
