#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// An HDF5 file with `images` (N, C, H, W; uint8, or float32 that is used as it is) and `labels` (N
/// integers).
Dataset load_hdf5_images(std::span<const std::string> files, DataRole role);

}  // namespace bitsmith::trainer
