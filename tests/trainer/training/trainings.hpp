#pragma once

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>

#include "quant/base/random.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/network.hpp"
#include "trainer/training_loop.hpp"

/// A network and data so small that whole trainings fit a test.
namespace bitsmith::trainer::test {

inline quant::NetworkInfo conv_info(quant::Shape shape, int classes = 3) {
  quant::NetworkBuilder net("tiny", shape);
  int x = net.conv("conv1", net.input(), 4, quant::Window::square(3, 1, 1));
  x = net.relu("relu1", net.batch_norm("bn1", x));
  x = net.global_average_pool("pool", x);
  net.linear("fc", net.flatten("flat", x), classes);
  return std::move(net).build();
}

/// Images of three classes that differ in brightness, with noise.
inline DataPart bright_part(quant::Shape shape, int count, std::uint64_t seed) {
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  base::Rng rng(seed);
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % 3);
    for (std::int64_t k = 0; k < shape.elements(); ++k)
      pixels.push_back(static_cast<std::uint8_t>(60 * (i % 3) + static_cast<int>(rng.below(120))));
  }
  return DataPart(make_dataset(images_in_memory(shape, std::move(pixels)), std::move(labels), 3, "made up"),
                  {std::vector<double>(static_cast<std::size_t>(shape.channels), 0.5),
                   std::vector<double>(static_cast<std::size_t>(shape.channels), 0.3)},
                  0);
}

inline bool same_values(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

inline bool same_numbers(const Network& a, const Network& b) {
  NetworkNumbers left, right;
  copy_numbers(a, left);
  copy_numbers(b, right);
  return same_values(left.parameters, right.parameters) && same_values(left.buffers, right.buffers);
}

/// Equal, or both NaN.
inline bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

inline bool same_curve(const std::vector<EpochRecord>& a, const std::vector<EpochRecord>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const EpochRecord& x, const EpochRecord& y) {
    return x.epoch == y.epoch && same_number(x.learning_rate, y.learning_rate) &&
           same_number(x.loss, y.loss) && same_number(x.accuracy, y.accuracy) &&
           same_number(x.validation_loss, y.validation_loss) &&
           same_number(x.validation_accuracy, y.validation_accuracy);
  });
}

}  // namespace bitsmith::trainer::test
