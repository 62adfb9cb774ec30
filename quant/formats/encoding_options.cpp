#include "quant/formats/encoding_options.hpp"

#include <fmt/format.h>

#include <string_view>

#include "quant/base/error.hpp"
#include "quant/formats/minifloat.hpp"

namespace bitsmith::quant {
namespace {

void require_option(Format format, bool allowed, std::string_view why) {
  if (!allowed) throw base::UserError(fmt::format("{}: {}", format.name(), why));
}

bool has_own_blocks_only(FormatKind kind) {
  return kind == FormatKind::mx || kind == FormatKind::micro_exponent || kind == FormatKind::nvfp4 ||
         kind == FormatKind::normal_float;
}

void check_slices(Format format, const FormatRow& row, const EncodingOptions& options) {
  require_option(
      format, options.slicing.grain == Grain::tensor || !has_own_blocks_only(row.kind),
      "its scales belong to its own blocks, not to channels; leave the granularity at 'tensor', or "
      "set the block");
  require_option(format, options.slicing.grain != Grain::group || row.kind != FormatKind::vector_scaled,
                 "a second scale covers the tensor or a channel, not a group; its vectors are option block");
  require_option(format, options.block == 0 || row.block > 0,
                 fmt::format("it has no blocks of its own; slicing 'group:{}' gives each {} a scale",
                             options.block, options.block));
  require_option(format, options.block >= 0, fmt::format("block {} is below 1", options.block));
  require_option(format, row.kind != FormatKind::micro_exponent || options.block % 2 == 0,
                 fmt::format("block {} is odd, but every two elements of a block share a bit of exponent",
                             options.block));
}

}  // namespace

bool takes_slices(Format format) { return !has_own_blocks_only(format.row().kind); }

void check_options(Format format, const EncodingOptions& options) {
  require_option(format, !format.is_float(), "is what tensors are in already; nothing encodes it");
  require_option(format, format.code() != 1,
                 "one bit and a sign leave only 0; allowed: binary, uint1, int2 to int16");
  const FormatRow& row = format.row();
  const bool integer = row.kind == FormatKind::integer;
  require_option(format, integer || options.scheme == Scheme::symmetric,
                 "only int and uint formats have zero points (scheme affine)");
  require_option(format,
                 !options.full_range || (integer && row.is_signed && options.scheme == Scheme::symmetric),
                 "a full range is a choice of symmetric int formats only");
  require_option(format, !options.symmetric_unsigned || (integer && !row.is_signed),
                 "symmetric_unsigned is of uint formats only");
  check_slices(format, row, options);
  require_option(format,
                 options.scale_rule == ScaleRule::range || integer || row.kind == FormatKind::minifloat,
                 "only int, uint, fp8, fp6 and fp4 formats can do without a scale (scale one)");
  require_option(format,
                 options.saturate || (row.kind == FormatKind::minifloat && minifloat_of(format).nan >= 0),
                 "has neither infinity nor NaN for what is too large; only fp8_e4m3 and fp8_e5m2 can go "
                 "without saturation");
  require_option(
      format, row.kind != FormatKind::vector_scaled || (options.scale_bits >= 1 && options.scale_bits <= 16),
      fmt::format("scale_bits {} is not in 1 to 16", options.scale_bits));
  require_option(format, row.kind != FormatKind::kmeans || options.kmeans_iterations >= 1,
                 fmt::format("{} iterations of k-means are below 1", options.kmeans_iterations));
  require_option(
      format, options.calibration == Calibration::minmax || (integer && options.scale_rule != ScaleRule::one),
      "ranges other than minmax are of int and uint formats only");
}

}  // namespace bitsmith::quant
