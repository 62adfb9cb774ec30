#include "trainer/data/normalization.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

struct Moments {
  double sum = 0.0, squares = 0.0, count = 0.0;
};

// From the histogram, so that the result is exact and cheap.
std::vector<Moments> moments_of_bytes(const Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.shape().channels);
  std::vector<std::array<std::uint64_t, 256>> histograms(channels);
  for_each_image(
      dataset,
      [&](std::span<const std::uint8_t> image) {
        for (std::size_t i = 0; i < image.size(); i += channels)
          for (std::size_t c = 0; c < channels; ++c) ++histograms[c][image[i + c]];
      },
      [](std::span<const float>) {});
  std::vector<Moments> moments(channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t value = 0; value < 256; ++value) {
      const double x = static_cast<double>(value) / 255.0, count = static_cast<double>(histograms[c][value]);
      moments[c].sum += count * x;
      moments[c].squares += count * x * x;
      moments[c].count += count;
    }
  return moments;
}

std::vector<Moments> moments_of_floats(const Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.shape().channels);
  std::vector<Moments> moments(channels);
  for_each_image(
      dataset, [](std::span<const std::uint8_t>) {},
      [&](std::span<const float> image) {
        for (std::size_t i = 0; i < image.size(); ++i) {
          Moments& m = moments[i % channels];
          const double x = static_cast<double>(image[i]);
          m.sum += x;
          m.squares += x * x;
          m.count += 1.0;
        }
      });
  return moments;
}

void check_option(std::string_view name, const std::vector<double>& values, int channels, bool positive) {
  bool good = values.size() == static_cast<std::size_t>(channels);
  for (double value : values) good = good && std::isfinite(value) && (!positive || value > 0.0);
  if (!good)
    throw base::UserError(fmt::format("{}: [{}]: expected {} {}number(s), one per channel of the images",
                                      name, fmt::join(values, ", "), channels,
                                      positive ? "positive " : "finite "));
}

}  // namespace

Normalization make_normalization(const Dataset& dataset, const std::vector<double>& mean,
                                 const std::vector<double>& deviation) {
  const int channels = dataset.shape().channels;
  if (!mean.empty()) check_option("mean", mean, channels, false);
  if (!deviation.empty()) check_option("deviation", deviation, channels, true);
  if (!mean.empty() && !deviation.empty()) return {mean, deviation};
  Normalization measured;
  for (const Moments& m :
       dataset.pixels->has_floats() ? moments_of_floats(dataset) : moments_of_bytes(dataset)) {
    const double centre = m.sum / m.count;
    const double variance = m.squares / m.count - centre * centre;
    // Below this the difference above is rounding, not spread.
    constexpr double kRelativeNoise = 1e-12;
    const bool varies = variance > kRelativeNoise * (m.squares / m.count);
    measured.mean.push_back(centre);
    measured.deviation.push_back(varies ? std::sqrt(variance) : 1.0);
  }
  return {mean.empty() ? measured.mean : mean, deviation.empty() ? measured.deviation : deviation};
}

}  // namespace bitsmith::trainer
