#pragma once

#include <cstdint>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/data/resampling.hpp"

namespace bitsmith::trainer {

/// What channels images get, whatever their files have. Gray of colours is 0.299 R + 0.587 G + 0.114 B
/// (ITU-R BT.601; of bytes in 16-bit fixed point, rounded half up); colours of gray are three equal channels.
enum class ImageColor { stored, gray, rgb };

/// What is done to an image before anything else, in this order: color, resize, crop. Part of a model's
/// input.
struct Preprocessing {
  ImageColor color = ImageColor::stored;
  /// {s}: the shorter side becomes s, the longer one floor(s * longer / shorter); {h, w}: these sides; empty:
  /// nothing. See resample() for the formula.
  std::vector<int> resize = {};
  /// {s} or {h, w}: so much of the centre; the margin before it is (side - crop) / 2, a half rounded to even.
  std::vector<int> crop = {};

  bool changes_anything() const { return color != ImageColor::stored || !resize.empty() || !crop.empty(); }
  bool operator==(const Preprocessing&) const = default;
};

inline constexpr int kLargestSide = 1 << 14;  ///< of a prepared image

/// The shape that an image of the shape `stored` gets. Throws UserError (without a file's name) for options
/// out of range, a crop larger than the image, or a color of other than 1 or 3 channels.
quant::Shape prepared_shape(const Preprocessing& preprocessing, const quant::Shape& stored);

struct PreparationScratch {
  std::vector<std::uint8_t> bytes;  ///< of the image in its new channels
  std::vector<float> floats;
  ResamplingScratch resampling;
};

/// Writes the prepared image (H, W, C; prepared_shape(stored)). `image` (H, W, C) has the shape `stored`.
void prepare(const Preprocessing& preprocessing, const std::uint8_t* image, const quant::Shape& stored,
             std::uint8_t* out, PreparationScratch& scratch);
void prepare(const Preprocessing& preprocessing, const float* image, const quant::Shape& stored, float* out,
             PreparationScratch& scratch);

}  // namespace bitsmith::trainer
