#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// IDX (the format of the MNIST family; http://yann.lecun.com/exdb/mnist), gzipped or not: a file of images
/// (unsigned bytes; N, H, W or N, C, H, W) and one of labels (unsigned bytes, N). A file of images that is
/// larger than `options.memory_bytes` and not gzipped is not loaded but read image by image.
Dataset load_idx(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
