#include "quant/weight_encoding.hpp"

#include "quant/base/error.hpp"
#include "quant/formats/integer_levels.hpp"
#include "quant/serving.hpp"

namespace bitsmith::quant {
namespace {

EncodingOptions options_of(Format format, Granularity granularity) {
  EncodingOptions options;
  const bool per_channel =
      granularity == Granularity::channel && takes_slices(format) && format.row().kind != FormatKind::kmeans;
  if (per_channel) options.slicing = {Grain::channel, 0, 0};
  return options;
}

}  // namespace

Encoded encode_weights(std::span<const float> weights, std::int64_t channels, Format format,
                       Granularity granularity) {
  const std::int64_t shape[] = {channels, std::ssize(weights) / channels};
  return encode(weights, shape, format, options_of(format, granularity));
}

Encoded weight_encoding_of(std::int64_t weights, std::int64_t channels, Format format,
                           Granularity granularity) {
  Encoded like;
  like.format = format;
  like.shape = {channels, weights / channels};
  like.options = options_of(format, granularity);
  return like;
}

std::int64_t packed_weight_bytes(std::int64_t weights, std::int64_t channels, Format format,
                                 Granularity granularity) {
  return packed_size(weight_encoding_of(weights, channels, format, granularity));
}

WeightLevels weight_levels(const Encoded& encoded) {
  base::require(!is_decoded(encoded.format), "weight_levels: a format without integer levels");
  WeightLevels result;
  result.levels.reserve(encoded.codes.size());
  for (std::int32_t code : encoded.codes) result.levels.push_back(integer_level(encoded.format, code));
  const float step = integer_step(encoded.format);
  for (float scale : encoded.scales) result.scales.push_back(scale * step);
  return result;
}

}  // namespace bitsmith::quant
