#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kTtqMagnitudes = 2;  // Wp, Wn

bool has_block_scales(FormatKind kind) {
  return kind == FormatKind::mx || kind == FormatKind::micro_exponent || kind == FormatKind::nvfp4 ||
         kind == FormatKind::vector_scaled;
}

bool has_zero_points(const FormatRow& row, const EncodingOptions& options) {
  return row.kind == FormatKind::integer && (!row.is_signed || options.scheme == Scheme::affine);
}

int codebook_entries(Format format) {
  if (format.row().kind == FormatKind::kmeans) return 1 << format.element_bits();
  return format == kTtq ? kTtqMagnitudes : 0;
}

// A tensor without dimensions has no axis for blocks to run along; it is a block of one.
Slices along_axis(const Encoded& encoded, int size) {
  const std::vector<std::int64_t> shape =
      encoded.shape.empty() ? std::vector<std::int64_t>{1} : encoded.shape;
  return Slices(shape, {Grain::group, encoded.options.axis, size});
}

}  // namespace

int block_size(const Encoded& encoded) {
  return encoded.options.block > 0 ? encoded.options.block : encoded.format.row().block;
}

Slices scale_slices(const Encoded& encoded) {
  if (encoded.format.row().kind != FormatKind::normal_float)
    return Slices(encoded.shape, encoded.options.slicing);
  return block_slices(encoded);
}

Slices block_slices(const Encoded& encoded) { return along_axis(encoded, block_size(encoded)); }

Slices pair_slices(const Encoded& encoded) { return along_axis(encoded, 2); }

std::vector<std::int64_t> slice_of_elements(const Slices& slices) {
  std::vector<std::int64_t> of(static_cast<std::size_t>(slices.elements()));
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t element, std::int64_t) { of[static_cast<std::size_t>(element)] = s; });
  return of;
}

int zero_point_bits(const Encoded& encoded) { return encoded.format.element_bits() <= 8 ? 8 : 16; }

int block_scale_bits(const Encoded& encoded) {
  return encoded.format.row().kind == FormatKind::vector_scaled ? encoded.options.scale_bits : 8;
}

ArraySizes array_sizes(const Encoded& encoded) {
  const FormatRow& row = encoded.format.row();
  const Slices slices = scale_slices(encoded);
  const std::int64_t entries = codebook_entries(encoded.format);
  ArraySizes sizes;
  sizes.codes = slices.elements();
  if (row.kind != FormatKind::mx && row.kind != FormatKind::micro_exponent && entries == 0)
    sizes.scales = slices.size();
  if (has_zero_points(row, encoded.options)) sizes.zero_points = slices.size();
  sizes.codebook = slices.size() * entries;
  if (has_block_scales(row.kind)) sizes.block_scales = block_slices(encoded).size();
  if (row.kind == FormatKind::micro_exponent) sizes.pair_shifts = pair_slices(encoded).size();
  return sizes;
}

Encoded allocate_scales(Format format, std::span<const std::int64_t> shape, const EncodingOptions& options) {
  check_options(format, options);
  Encoded encoded;
  encoded.format = format;
  encoded.shape.assign(shape.begin(), shape.end());
  encoded.options = options;

  const ArraySizes sizes = array_sizes(encoded);
  encoded.scales.resize(static_cast<std::size_t>(sizes.scales));
  encoded.zero_points.resize(static_cast<std::size_t>(sizes.zero_points));
  encoded.codebook.resize(static_cast<std::size_t>(sizes.codebook));
  encoded.block_scales.resize(static_cast<std::size_t>(sizes.block_scales));
  encoded.pair_shifts.resize(static_cast<std::size_t>(sizes.pair_shifts));
  if (sizes.scales + sizes.codebook > 0) encoded.scale_shape = scale_slices(encoded).shape();
  if (sizes.block_scales > 0) encoded.block_scale_shape = block_slices(encoded).shape();
  return encoded;
}

Encoded allocate(Format format, std::span<const std::int64_t> shape, const EncodingOptions& options) {
  Encoded encoded = allocate_scales(format, shape, options);
  encoded.codes.resize(static_cast<std::size_t>(array_sizes(encoded).codes));
  return encoded;
}

}  // namespace bitsmith::quant
