#include "quant/formats/vector_scaled.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

// For each vector, the slice that it lies in.
std::vector<std::int64_t> slice_of_vectors(const Slices& vectors, const Encoded& encoded) {
  const std::vector<std::int64_t> slice_of = slice_of_elements(scale_slices(encoded));
  std::vector<std::int64_t> of(static_cast<std::size_t>(vectors.size()));
  for (std::int64_t v = 0; v < vectors.size(); ++v)
    vectors.visit(v, [&](std::int64_t i, std::int64_t at) {
      std::int64_t& slice = of[static_cast<std::size_t>(v)];
      if (at == 0) slice = slice_of[static_cast<std::size_t>(i)];
      if (slice != slice_of[static_cast<std::size_t>(i)])
        throw base::UserError(
            fmt::format("{}: vectors along axis {} would cross channels of axis {}; name another "
                        "axis for one of them",
                        encoded.format.name(), encoded.options.axis, encoded.options.slicing.axis));
    });
  return of;
}

}  // namespace

void encode_vector_scaled(const Values& x, Encoded& to) {
  const double largest = (1 << (to.format.element_bits() - 1)) - 1;
  const double most_units = (1 << to.options.scale_bits) - 1;
  const Slices vectors = block_slices(to);
  const std::vector<std::int64_t> slice_of = slice_of_vectors(vectors, to);

  std::vector<double> vector_scales, gammas(to.scales.size());
  for (std::int64_t v = 0; v < vectors.size(); ++v) {
    const double magnitude = max_magnitude(x.slice(vectors, v));
    vector_scales.push_back(magnitude == 0 ? 0 : usable_scale(x.quotient(magnitude, largest)));
    double& most = gammas[static_cast<std::size_t>(slice_of[static_cast<std::size_t>(v)])];
    most = std::max(most, vector_scales.back());
  }
  for (std::size_t s = 0; s < gammas.size(); ++s) {
    gammas[s] = usable_scale(x.quotient(gammas[s], most_units));
    to.scales[s] = static_cast<float>(gammas[s]);
  }

  for (std::int64_t v = 0; v < vectors.size(); ++v) {
    const double scale = vector_scales[static_cast<std::size_t>(v)];
    if (scale == 0) continue;  // codes and scale stay 0
    const double gamma = gammas[static_cast<std::size_t>(slice_of[static_cast<std::size_t>(v)])];
    const double units = std::nearbyint(x.quotient(scale, gamma));
    to.block_scales[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(std::min(units, most_units));
    vectors.visit(v, [&](std::int64_t i, std::int64_t) {
      const double code = round_half(x.quotient(x[static_cast<std::size_t>(i)], scale), to.options.rounding);
      to.codes[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(std::clamp(code, -largest, largest));
    });
  }
}

void decode_vector_scaled(const Encoded& from, std::span<float> y) {
  const Slices vectors = block_slices(from);
  const std::vector<std::int64_t> slice_of = slice_of_vectors(vectors, from);
  for (std::int64_t v = 0; v < vectors.size(); ++v) {
    const std::size_t slice = static_cast<std::size_t>(slice_of[static_cast<std::size_t>(v)]);
    const double scale = double{from.scales[slice]} * from.block_scales[static_cast<std::size_t>(v)];
    vectors.visit(v, [&](std::int64_t i, std::int64_t) {
      y[static_cast<std::size_t>(i)] = finite_float(scale * from.codes[static_cast<std::size_t>(i)]);
    });
  }
}

}  // namespace bitsmith::quant
