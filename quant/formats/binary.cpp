#include "quant/formats/binary.hpp"

#include <algorithm>

#include "quant/base/random.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {

void encode_binary(const Values& x, Encoded& to) {
  const bool stochastic = to.format == kBinaryStochastic;
  const Slices slices = scale_slices(to);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    base::Rng rng(base::derive_seed(to.options.seed, "binary_stochastic", static_cast<std::uint64_t>(s)));
    to.scales[static_cast<std::size_t>(s)] = stochastic ? 1 : static_cast<float>(mean_magnitude(part));
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      const double value = part[static_cast<std::size_t>(at)];
      const bool positive = stochastic ? rng.uniform() < std::clamp((value + 1) / 2, 0.0, 1.0) : value >= 0;
      to.codes[static_cast<std::size_t>(i)] = positive ? 1 : -1;
    });
  }
}

void decode_binary(const Encoded& from, std::span<float> y) {
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      y[static_cast<std::size_t>(i)] = from.scales[static_cast<std::size_t>(s)] *
                                       static_cast<float>(from.codes[static_cast<std::size_t>(i)]);
    });
}

}  // namespace bitsmith::quant
