#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// Folders with a sub-folder of PNG and JPEG files per class (see list_class_folders), each image prepared as
/// options.preprocessing says, after which all must have one shape. Every file is decoded once to know that
/// it can be; the images stay in memory where they take at most `options.memory_bytes`, else they are decoded
/// anew whenever they are wanted. What cannot be used is refused at once, the first ten named. Where labels
/// may lack, images may also lie in the folders themselves.
Dataset load_image_folder(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
