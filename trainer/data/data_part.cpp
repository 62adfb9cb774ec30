#include "trainer/data/data_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::trainer {
namespace {

quant::Shape padded(quant::Shape shape, int pad) {
  constexpr int kMaxPad = 1024;
  if (pad < 0 || pad > kMaxPad)
    throw base::UserError(fmt::format("pad: {}: allowed are 0..{}", pad, kMaxPad));
  return {shape.channels, shape.height + 2 * pad, shape.width + 2 * pad};
}

}  // namespace

DataPart::DataPart(Dataset dataset, Normalization normalization, int pad)
    : dataset_(std::move(dataset)),
      normalization_(std::move(normalization)),
      pad_(pad),
      shape_(padded(dataset_.shape(), pad)) {
  const auto channels = static_cast<std::size_t>(shape_.channels);
  base::require(normalization_.mean.size() == channels && normalization_.deviation.size() == channels,
                "normalization of another number of channels");
  const auto normalised = [&](double x, std::size_t c) {
    return static_cast<float>((x - normalization_.mean[c]) / normalization_.deviation[c]);
  };
  for (std::size_t value = 0; value < 256; ++value)
    for (std::size_t c = 0; c < channels; ++c)
      table_.push_back(normalised(static_cast<double>(value) / 255.0, c));
  for (std::size_t c = 0; c < channels; ++c) {
    offset_.push_back(static_cast<float>(normalization_.mean[c]));
    scale_.push_back(static_cast<float>(1.0 / normalization_.deviation[c]));
  }
  for (int x = 0; x < shape_.width; ++x)
    for (std::size_t c = 0; c < channels; ++c) border_row_.push_back(normalised(0.0, c));
}

std::string DataPart::image_name(std::int64_t index) const {
  const auto row = static_cast<std::size_t>(dataset_.rows[static_cast<std::size_t>(index)]);
  return dataset_.file_names.empty() ? std::to_string(index) : dataset_.file_names[row];
}

std::uint64_t DataPart::hash() const {
  base::Hasher hasher;
  hasher.add(trainer::hash(dataset_));
  for (double value : normalization_.mean) hasher.add(value);
  for (double value : normalization_.deviation) hasher.add(value);
  hasher.add(pad_);
  return hasher.value();
}

template <class T, class Convert>
void DataPart::place(const T* image, int dy, int dx, bool mirror, float* out, Convert&& convert) const {
  const int channels = shape_.channels, width = shape_.width;
  const std::ptrdiff_t row_elements = std::ptrdiff_t{width} * channels;
  // Columns of the output, before mirroring, that the image covers.
  const int first = std::clamp(pad_ + dx, 0, width);
  const int last = std::clamp(pad_ + dx + dataset_.shape().width, first, width);
  for (int y = 0; y < shape_.height; ++y, out += row_elements) {
    const int source_y = y - pad_ - dy;
    const bool covered = source_y >= 0 && source_y < dataset_.shape().height && first < last;
    if (!covered || first > 0 || last < width) std::copy(border_row_.begin(), border_row_.end(), out);
    if (!covered) continue;
    const T* from =
        image + (std::ptrdiff_t{source_y} * dataset_.shape().width + (first - pad_ - dx)) * channels;
    float* to = out + std::ptrdiff_t{mirror ? width - 1 - first : first} * channels;
    const std::ptrdiff_t step = mirror ? -channels : channels;
    for (int x = first; x < last; ++x, from += channels, to += step)
      for (int c = 0; c < channels; ++c) to[c] = convert(from[c], c);
  }
}

void DataPart::write(std::int64_t index, int dy, int dx, bool mirror, float* out) const {
  ImageScratch& scratch = thread_image_scratch();
  const ImageStore& pixels = *dataset_.pixels;
  const int row = dataset_.rows[static_cast<std::size_t>(index)];
  const int channels = shape_.channels;
  if (!pixels.has_floats()) {
    const float* const table = table_.data();
    place(pixels.bytes(row, scratch), dy, dx, mirror, out,
          [=](std::uint8_t value, int c) { return table[value * channels + c]; });
  } else {
    const float* const offset = offset_.data();
    const float* const scale = scale_.data();
    place(pixels.floats(row, scratch), dy, dx, mirror, out,
          [=](float value, int c) { return (value - offset[c]) * scale[c]; });
  }
}

}  // namespace bitsmith::trainer
