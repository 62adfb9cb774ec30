#include "trainer/data/preprocessing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

void check_sides(std::string_view name, const std::vector<int>& sides) {
  const bool good = sides.size() <= 2 &&
                    std::ranges::all_of(sides, [](int side) { return side >= 1 && side <= kLargestSide; });
  if (!good)
    throw base::UserError(fmt::format("{}: [{}]: expected one or two numbers, 1 to {}", name,
                                      fmt::join(sides, ", "), kLargestSide));
}

int channels_of(ImageColor color, int stored) {
  if (color == ImageColor::stored) return stored;
  const int wanted = color == ImageColor::gray ? 1 : 3;
  if (stored != 1 && stored != 3)
    throw base::UserError(fmt::format("{} channels are neither gray nor colours: color cannot be {}", stored,
                                      wanted == 1 ? "gray" : "rgb"));
  return wanted;
}

// Height and width after `resize`, whatever its form.
ResampledWindow resized(const std::vector<int>& resize, int height, int width) {
  if (resize.empty()) return {.height = height, .width = width};
  if (resize.size() == 2) return {.height = resize[0], .width = resize[1]};
  const std::int64_t side = resize[0], shorter = std::min(height, width), longer = std::max(height, width);
  const std::int64_t other = side * longer / shorter;
  if (other > kLargestSide)
    throw base::UserError(fmt::format("an image of {} x {} would get a side of {}, allowed are 1 to {}",
                                      height, width, other, kLargestSide));
  return height <= width
             ? ResampledWindow{.height = static_cast<int>(side), .width = static_cast<int>(other)}
             : ResampledWindow{.height = static_cast<int>(other), .width = static_cast<int>(side)};
}

// Half of it, a half rounded to even.
int half(int margin) { return margin / 2 + (margin % 4 == 3 ? 1 : 0); }

ResampledWindow window_of(const Preprocessing& preprocessing, const quant::Shape& stored) {
  check_sides("resize", preprocessing.resize);
  check_sides("crop", preprocessing.crop);
  ResampledWindow window = resized(preprocessing.resize, stored.height, stored.width);
  window.rows = preprocessing.crop.empty() ? window.height : preprocessing.crop.front();
  window.columns = preprocessing.crop.empty() ? window.width : preprocessing.crop.back();
  if (window.rows > window.height || window.columns > window.width)
    throw base::UserError(
        fmt::format("an image of {} x {}{} is smaller than the crop of {} x {}", window.height, window.width,
                    preprocessing.resize.empty() ? "" : " (after resize)", window.rows, window.columns));
  window.top = half(window.height - window.rows);
  window.left = half(window.width - window.columns);
  return window;
}

std::uint8_t gray_of(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + (1 << 15)) >> 16);
}
float gray_of(const float* rgb) {
  return static_cast<float>(0.299 * static_cast<double>(rgb[0]) + 0.587 * static_cast<double>(rgb[1]) +
                            0.114 * static_cast<double>(rgb[2]));
}

template <class T>
void run(const Preprocessing& preprocessing, const T* image, quant::Shape shape, T* out,
         std::vector<T>& converted, PreparationScratch& scratch) {
  const ResampledWindow window = window_of(preprocessing, shape);
  const int channels = channels_of(preprocessing.color, shape.channels);
  if (channels != shape.channels) {
    const std::size_t area = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
    converted.resize(area * static_cast<std::size_t>(channels));
    if (channels == 1)
      for (std::size_t i = 0; i < area; ++i) converted[i] = gray_of(image + 3 * i);
    else
      for (std::size_t i = 0; i < area; ++i)
        converted[3 * i] = converted[3 * i + 1] = converted[3 * i + 2] = image[i];
    image = converted.data();
    shape.channels = channels;
  }
  if (window.height != shape.height || window.width != shape.width)
    return resample(image, shape, window, out, scratch.resampling);
  const std::ptrdiff_t row = std::ptrdiff_t{window.columns} * channels;
  for (int y = 0; y < window.rows; ++y, out += row)
    std::copy_n(image + (std::ptrdiff_t{window.top + y} * shape.width + window.left) * channels, row, out);
}

}  // namespace

quant::Shape prepared_shape(const Preprocessing& preprocessing, const quant::Shape& stored) {
  const ResampledWindow window = window_of(preprocessing, stored);
  return {channels_of(preprocessing.color, stored.channels), window.rows, window.columns};
}

void prepare(const Preprocessing& preprocessing, const std::uint8_t* image, const quant::Shape& stored,
             std::uint8_t* out, PreparationScratch& scratch) {
  run(preprocessing, image, stored, out, scratch.bytes, scratch);
}
void prepare(const Preprocessing& preprocessing, const float* image, const quant::Shape& stored, float* out,
             PreparationScratch& scratch) {
  run(preprocessing, image, stored, out, scratch.floats, scratch);
}

}  // namespace bitsmith::trainer
