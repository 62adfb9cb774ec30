#include "trainer/layers/batch_norm.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {
namespace {

enum Table : std::size_t { kMean, kScale, kBeta, kSlope, kOffset, kTables };

}  // namespace

BatchNorm::BatchNorm(const LayerArguments& arguments)
    : activation_(arguments.activation),
      gamma_(*arguments.weight),
      beta_(*arguments.bias),
      running_mean_(*arguments.running_mean),
      running_var_(*arguments.running_var),
      epsilon_(static_cast<double>(arguments.node.epsilon)),
      channels_(static_cast<std::size_t>(arguments.input().channels)),
      width_(folded_width(channels_)),
      pixels_(std::int64_t{1} * arguments.input().height * arguments.input().width),
      tables_(kTables * width_),
      inverse_deviation_(channels_) {}

void BatchNorm::reserve(int parts, std::span<const int>, bool) {
  if (sums_.size() >= static_cast<std::size_t>(parts)) return;
  sums_.resize(static_cast<std::size_t>(parts));
  for (Sums& sums : sums_) {
    sums.shift.resize(width_);
    sums.first.resize(width_);
    sums.second.resize(width_);
  }
}

/// Calls pass(first value, rows, columns) for the folded rows and for what is left of them.
template <typename Pass>
void BatchNorm::for_rows(int samples, const Pass& pass) const {
  const auto width = static_cast<std::int64_t>(width_);
  const std::int64_t values = samples * pixels_ * static_cast<std::int64_t>(channels_);
  const std::int64_t rows = values / width;
  if (rows > 0) pass(std::int64_t{0}, rows, width);
  if (values % width != 0) {
    // One short row: tables repeat per pixel, so their beginning fits it.
    pass(rows * width, std::int64_t{1}, values % width);
  }
}

void BatchNorm::set_tables(std::size_t channel, double mean, double variance) {
  inverse_deviation_[channel] = 1.0 / std::sqrt(variance + epsilon_);
  const auto scale =
      static_cast<float>(static_cast<double>(gamma_.value[channel]) * inverse_deviation_[channel]);
  for (std::size_t c = channel; c < width_; c += channels_) {
    table(kMean)[c] = static_cast<float>(mean);
    table(kScale)[c] = scale;
    table(kBeta)[c] = beta_.value[channel];
  }
}

void BatchNorm::prepare(Mode mode) {
  if (mode != Mode::evaluate) return;
  for (std::size_t c = 0; c < channels_; ++c)
    set_tables(c, static_cast<double>(running_mean_.value[c]), static_cast<double>(running_var_.value[c]));
}

void BatchNorm::gather(const ForwardPart& part) {
  Sums& sums = sums_[static_cast<std::size_t>(part.part)];
  if (part.first) {
    sums.count = 0;
    // Sums of (x - shift) lose nothing to cancellation when the shift is a typical value: the part's first
    // pixel.
    for (std::size_t c = 0; c < width_; ++c) sums.shift[c] = part.x[0][c % channels_];
    std::ranges::fill(sums.first, 0.0);
    std::ranges::fill(sums.second, 0.0);
  }
  sums.count += part.samples * pixels_;
  for_rows(part.samples, [&](std::int64_t at, std::int64_t rows, std::int64_t width) {
    passes().moments(part.x[0] + at, rows, width, sums.shift.data(), sums.first.data(), sums.second.data());
  });
}

void BatchNorm::fold(const Sums& sums, std::size_t channel, double& first, double& second) const {
  first = second = 0.0;
  for (std::size_t c = channel; c < width_; c += channels_) {
    first += sums.first[c];
    second += sums.second[c];
  }
}

void BatchNorm::reduce(int parts, Mode mode) {
  if (frozen_ && mode == Mode::train) return prepare(Mode::evaluate);
  for (std::size_t c = 0; c < channels_; ++c) {
    // Chan, Golub, LeVeque 1979: merges (count, mean, sum of squared deviations) part by part.
    double count = 0.0, mean = 0.0, squares = 0.0;
    for (int p = 0; p < parts; ++p) {
      const Sums& sums = sums_[static_cast<std::size_t>(p)];
      double first = 0.0, second = 0.0;
      fold(sums, c, first, second);
      const auto n = static_cast<double>(sums.count);
      const double part_mean = static_cast<double>(sums.shift[c]) + first / n;
      const double part_squares = std::max(0.0, second - first * first / n);
      const double delta = part_mean - mean, total = count + n;
      mean += delta * n / total;
      squares += part_squares + delta * delta * count * n / total;
      count = total;
    }
    count_ = static_cast<std::int64_t>(count);
    set_tables(c, mean, squares / count);
    update_running(c, mean, squares / (count - 1.0), mode);
  }
  if (mode == Mode::recalibrate) ++recalibrated_batches_;
}

void BatchNorm::update_running(std::size_t channel, double mean, double unbiased_variance, Mode mode) {
  const double weight =
      mode == Mode::train ? kMomentum : 1.0 / (static_cast<double>(recalibrated_batches_) + 1.0);
  float& running_mean = running_mean_.value[channel];
  float& running_var = running_var_.value[channel];
  running_mean = static_cast<float>((1.0 - weight) * static_cast<double>(running_mean) + weight * mean);
  running_var =
      static_cast<float>((1.0 - weight) * static_cast<double>(running_var) + weight * unbiased_variance);
}

void BatchNorm::forward(const ForwardPart& part) {
  for_rows(part.samples, [&](std::int64_t at, std::int64_t rows, std::int64_t width) {
    passes().normalise(part.x[0] + at, rows, width, table(kMean).data(), table(kScale).data(),
                       table(kBeta).data(), activation_.low, activation_.high, part.y + at);
  });
}

void BatchNorm::gather_backward(const BackwardPart& part) {
  Sums& sums = sums_[static_cast<std::size_t>(part.part)];
  if (part.first) {
    std::ranges::fill(sums.first, 0.0);
    std::ranges::fill(sums.second, 0.0);
  }
  for_rows(part.samples, [&](std::int64_t at, std::int64_t rows, std::int64_t width) {
    passes().normalise_backward_sums(part.x[0] + at, part.dy + at, rows, width, table(kMean).data(),
                                     table(kScale).data(), table(kBeta).data(), activation_.low,
                                     activation_.high, sums.first.data(), sums.second.data());
  });
}

void BatchNorm::reduce_backward(int parts) {
  const auto count = static_cast<double>(count_);
  for (std::size_t c = 0; c < channels_; ++c) {
    double sum = 0.0, product = 0.0;  // of dy, and of dy * (x - mean)
    for (int p = 0; p < parts; ++p) {
      double first = 0.0, second = 0.0;
      fold(sums_[static_cast<std::size_t>(p)], c, first, second);
      sum += first;
      product += second;
    }
    const double inverse = inverse_deviation_[c];
    const double scale = static_cast<double>(gamma_.value[c]) * inverse;
    beta_.gradient[c] = static_cast<float>(sum);
    gamma_.gradient[c] = static_cast<float>(product * inverse);
    if (frozen_) {  // dx = scale * dy
      for (std::size_t k = c; k < width_; k += channels_) table(kSlope)[k] = table(kOffset)[k] = 0.0f;
      continue;
    }
    // dx = scale * (dy - mean(dy) - xhat * mean(dy * xhat)), written as scale*dy + slope*(x - mean) + offset.
    for (std::size_t k = c; k < width_; k += channels_) {
      table(kSlope)[k] = static_cast<float>(-scale * inverse * inverse * product / count);
      table(kOffset)[k] = static_cast<float>(-scale * sum / count);
    }
  }
}

void BatchNorm::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  for_rows(part.samples, [&](std::int64_t at, std::int64_t rows, std::int64_t width) {
    passes().normalise_backward(part.x[0] + at, part.dy + at, rows, width, table(kMean).data(),
                                table(kScale).data(), table(kBeta).data(), activation_.low, activation_.high,
                                table(kSlope).data(), table(kOffset).data(), part.dx[0] + at);
  });
}

}  // namespace bitsmith::trainer
