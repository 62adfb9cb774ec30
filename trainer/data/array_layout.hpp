#pragma once

namespace bitsmith::trainer {

/// Where an array of images has their channels: before the rows, or in each pixel.
enum class ArrayLayout { nchw, nhwc };

}  // namespace bitsmith::trainer
