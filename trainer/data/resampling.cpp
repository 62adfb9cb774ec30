#include "trainer/data/resampling.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace bitsmith::trainer {
namespace {

constexpr int kFixedBits = 22;  // 8-bit values times such weights fit 31 bits

struct ByteSums {
  using Value = std::uint8_t;
  using Sum = std::int32_t;
  static constexpr Sum kStart = 1 << (kFixedBits - 1);
  static Value finish(Sum sum) { return static_cast<Value>(std::clamp(sum >> kFixedBits, 0, 255)); }
  static const Sum* weights(const ResamplingAxis& axis) { return axis.fixed.data(); }
  static std::vector<Value>& middle(ResamplingScratch& scratch) { return scratch.bytes; }
  static std::vector<Sum>& sums(ResamplingScratch& scratch) { return scratch.fixed_sums; }
};

struct FloatSums {
  using Value = float;
  using Sum = double;
  static constexpr Sum kStart = 0;
  static Value finish(Sum sum) { return static_cast<Value>(sum); }
  static const Sum* weights(const ResamplingAxis& axis) { return axis.weights.data(); }
  static std::vector<Value>& middle(ResamplingScratch& scratch) { return scratch.floats; }
  static std::vector<Sum>& sums(ResamplingScratch& scratch) { return scratch.sums; }
};

// Of `wanted` outputs from `first` on.
void make_axis(int inputs, int outputs, int first, int wanted, ResamplingAxis& axis) {
  const double ratio = static_cast<double>(inputs) / outputs, reach = std::max(ratio, 1.0);
  axis.taps = 2 * static_cast<int>(std::ceil(reach)) + 1;
  const auto taps = static_cast<std::size_t>(axis.taps), count = static_cast<std::size_t>(wanted);
  axis.begin.resize(count);
  axis.count.resize(count);
  axis.weights.assign(count * taps, 0.0);
  axis.fixed.resize(count * taps);
  for (std::size_t i = 0; i < count; ++i) {
    const double centre = (first + static_cast<int>(i) + 0.5) * ratio;
    const int begin = std::max(0, static_cast<int>(centre - reach + 0.5));
    const int end = std::min(inputs, static_cast<int>(centre + reach + 0.5));
    double* const weights = axis.weights.data() + i * taps;
    double sum = 0.0;
    for (int j = begin; j < end; ++j) {
      const double weight = std::max(0.0, 1.0 - std::abs((j - centre + 0.5) / reach));
      weights[j - begin] = weight;
      sum += weight;
    }
    axis.begin[i] = begin;
    axis.count[i] = end - begin;
    for (std::size_t k = 0; k < taps; ++k) {
      weights[k] /= sum;
      axis.fixed[i * taps + k] = static_cast<std::int32_t>(weights[k] * (1 << kFixedBits) + 0.5);
    }
  }
}

// One row through the columns' weights. Channels 0: as many as `channels` says.
template <class Sums, int Channels>
void resample_row(const typename Sums::Value* row, const ResamplingAxis& columns, int channels,
                  typename Sums::Value* out) {
  const int count = Channels > 0 ? Channels : channels;
  const auto outputs = columns.begin.size();
  for (std::size_t i = 0; i < outputs; ++i) {
    const auto* const weights = Sums::weights(columns) + i * static_cast<std::size_t>(columns.taps);
    const typename Sums::Value* const from = row + static_cast<std::ptrdiff_t>(columns.begin[i]) * count;
    const int taps = columns.count[i];
    for (int c = 0; c < count; ++c) {
      auto sum = Sums::kStart;
      for (int k = 0; k < taps; ++k) sum += weights[k] * from[k * count + c];
      *out++ = Sums::finish(sum);
    }
  }
}

template <class Sums>
void run(const typename Sums::Value* image, const quant::Shape& shape, const ResampledWindow& window,
         typename Sums::Value* out, ResamplingScratch& scratch) {
  make_axis(shape.width, window.width, window.left, window.columns, scratch.columns);
  make_axis(shape.height, window.height, window.top, window.rows, scratch.rows);
  const ResamplingAxis& rows = scratch.rows;
  const int first = rows.begin.front(), last = rows.begin.back() + rows.count.back();
  const auto row_values = static_cast<std::size_t>(window.columns) * static_cast<std::size_t>(shape.channels);
  auto& middle = Sums::middle(scratch);
  middle.resize(static_cast<std::size_t>(last - first) * row_values);
  const auto pass = shape.channels == 3   ? resample_row<Sums, 3>
                    : shape.channels == 1 ? resample_row<Sums, 1>
                                          : resample_row<Sums, 0>;
  for (int y = first; y < last; ++y)
    pass(image + std::ptrdiff_t{y} * shape.width * shape.channels, scratch.columns, shape.channels,
         middle.data() + static_cast<std::size_t>(y - first) * row_values);
  auto& sums = Sums::sums(scratch);
  sums.resize(row_values);
  for (std::size_t i = 0; i < rows.begin.size(); ++i) {
    std::fill(sums.begin(), sums.end(), Sums::kStart);
    for (int k = 0; k < rows.count[i]; ++k) {
      const auto weight =
          Sums::weights(rows)[i * static_cast<std::size_t>(rows.taps) + static_cast<std::size_t>(k)];
      const auto* const from =
          middle.data() + static_cast<std::size_t>(rows.begin[i] + k - first) * row_values;
      for (std::size_t v = 0; v < row_values; ++v) sums[v] += weight * from[v];
    }
    for (std::size_t v = 0; v < row_values; ++v) *out++ = Sums::finish(sums[v]);
  }
}

}  // namespace

void resample(const std::uint8_t* image, const quant::Shape& shape, const ResampledWindow& window,
              std::uint8_t* out, ResamplingScratch& scratch) {
  run<ByteSums>(image, shape, window, out, scratch);
}
void resample(const float* image, const quant::Shape& shape, const ResampledWindow& window, float* out,
              ResamplingScratch& scratch) {
  run<FloatSums>(image, shape, window, out, scratch);
}

}  // namespace bitsmith::trainer
