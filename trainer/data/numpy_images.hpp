#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// NumPy arrays: two .npy files, images and labels, or one .npz archive with the arrays `images` and
/// `labels`. Images are uint8, or float32 that is used as it is; N, C, H, W or N, H, W, C as options.layout
/// says, or N, H, W of one channel. Where labels may lack, one .npy of images is enough. Labels are N
/// integers of any type. A .npy file of images that is larger than `options.memory_bytes` and in C order is
/// not loaded but read image by image.
Dataset load_numpy_images(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
