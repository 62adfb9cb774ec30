#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "quant/base/random.hpp"
#include "trainer/network.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::test {

/// For tests of every network: as narrow as it comes.
inline double small_width(const NetworkRow& row) { return row.has_width ? 0.125 : 1; }

/// Biases, batch norms and their statistics that are anything but trivial, gammas of both signs among them.
/// Quantize nodes stay without a scale: a tie that falls the other way would be another function.
inline void scramble(Network& network, std::uint64_t seed) {
  base::Rng rng(seed);
  for (Parameter& parameter : network.parameters())
    if (parameter.shape.size() == 1)
      for (float& x : parameter.value) x = static_cast<float>(0.3 + 0.5 * rng.normal());
  for (Buffer& buffer : network.buffers())
    for (float& x : buffer.value)
      if (!buffer.name.ends_with(".scale"))
        x = buffer.name.ends_with("_var") ? static_cast<float>(rng.uniform(0.5, 4.0))
                                          : static_cast<float>(0.4 * rng.normal());
}

inline Tensor random_images(int count, quant::Shape shape, std::uint64_t seed) {
  Tensor images(count, shape);
  base::Rng rng(seed);
  for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  return images;
}

inline Tensor logits_of(Network& network, const Tensor& images) {
  Tensor logits;
  logits.copy_from(network.forward(images, Mode::evaluate));
  return logits;
}

/// Root of the mean squared difference, over that of `a`.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    error += (x - y) * (x - y);
    size += x * x;
  }
  return std::sqrt(error / size);
}

/// What these transformations may add to fp32's own rounding, which reordered products already show.
inline constexpr double kSameFunction = 1e-5;

}  // namespace bitsmith::trainer::test
