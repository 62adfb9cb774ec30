#include "quant/kernels/bit_planes.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::int64_t kSlack = 64;  // a run's last word may reach behind the last image

std::int64_t divided_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }

}  // namespace

BitPlanes::BitPlanes(const RowGeometry& geometry, int planes) : geometry_(geometry), planes_(planes) {
  const Window& w = geometry.window;
  pixel_bytes_ = divided_up(geometry.inputs(), 8);
  line_bytes_ = (geometry.input.width + w.pad_left + w.pad_right) * pixel_bytes_;
  image_bytes_ = (geometry.input.height + w.pad_top + w.pad_bottom) * line_bytes_;
  plane_bytes_ = divided_up(geometry.batch * image_bytes_ + kSlack, 64) * 64;
  bits_.assign(static_cast<std::size_t>(plane_bytes_ * planes), 0);

  joined_ = w.dilation_w == 1;
  const std::int64_t run_bytes = (joined_ ? w.kernel_w : 1) * pixel_bytes_;
  run_words_ = divided_up(run_bytes, 4);
  full_ = geometry.inputs() % 8 == 0 && run_bytes % 4 == 0;
  for (int ky = 0; ky < w.kernel_h; ++ky)
    for (int kx = 0; kx < (joined_ ? 1 : w.kernel_w); ++kx)
      for (std::int64_t i = 0; i < run_words_; ++i)
        words_.push_back(ky * w.dilation_h * line_bytes_ + kx * w.dilation_w * pixel_bytes_ + 4 * i);
  for (int y = 0; y < geometry.output.height; ++y)
    for (int x = 0; x < geometry.output.width; ++x)
      starts_.push_back(y * w.stride_h * line_bytes_ + x * w.stride_w * pixel_bytes_);
}

std::int64_t BitPlanes::bit_of(int kernel_row, int kernel_column, int channel) const {
  const std::int64_t run = joined_ ? kernel_row : kernel_row * geometry_.window.kernel_w + kernel_column;
  return 32 * run_words_ * run + (joined_ ? kernel_column * pixel_bytes_ * 8 : 0) + channel;
}

void BitPlanes::pack(const BitSerialKernels& kernels, int group, const void* in) {
  const Shape& image = geometry_.input;
  const std::int64_t line_inputs = std::int64_t{image.width} * image.channels;
  const auto* from = static_cast<const std::uint8_t*>(in) + std::int64_t{group} * geometry_.inputs();
  const bool whole_lines = geometry_.groups == 1 && image.channels % 8 == 0;
  for (int n = 0; n < geometry_.batch; ++n)
    for (int y = 0; y < image.height; ++y, from += line_inputs) {
      std::uint8_t* to = bits_.data() + n * image_bytes_ + (y + geometry_.window.pad_top) * line_bytes_ +
                         geometry_.window.pad_left * pixel_bytes_;
      if (whole_lines) {
        kernels.pack(from, line_inputs, planes_, plane_bytes_, to);
        continue;
      }
      for (int x = 0; x < image.width; ++x, to += pixel_bytes_)
        kernels.pack(from + std::int64_t{x} * image.channels, geometry_.inputs(), planes_, plane_bytes_, to);
    }
}

void BitPlanes::find_rows(std::int64_t first, std::int64_t count, const std::uint8_t** rows) const {
  const std::int64_t area = static_cast<std::int64_t>(starts_.size());
  std::int64_t image = first / area, pixel = first % area;
  for (std::int64_t i = 0; i < count; ++i) {
    rows[i] = bits_.data() + image * image_bytes_ + starts_[static_cast<std::size_t>(pixel)];
    if (++pixel == area) pixel = 0, ++image;
  }
}

}  // namespace bitsmith::quant
