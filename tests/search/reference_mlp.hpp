#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace bitsmith::search::reference {

/// The plainest float64 multilayer perceptron, with Adam: the oracle of search/mlp and search/ddpg.
/// Parameters lie as in Mlp: per layer, weights [out][in], then biases.
struct Mlp {
  std::vector<int> sizes;
  bool sigmoid = false;
  std::vector<double> parameters, first, second;
  int steps = 0;

  Mlp(std::vector<int> sizes_in, bool sigmoid_in, std::span<const float> values)
      : sizes(std::move(sizes_in)),
        sigmoid(sigmoid_in),
        parameters(values.begin(), values.end()),
        first(values.size()),
        second(values.size()) {}

  /// All layers' values for one row; the first are the inputs.
  std::vector<std::vector<double>> forward(std::vector<double> inputs) const {
    std::vector<std::vector<double>> values = {std::move(inputs)};
    std::size_t offset = 0;
    for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
      const auto in = static_cast<std::size_t>(sizes[l]), out = static_cast<std::size_t>(sizes[l + 1]);
      std::vector<double> next(out);
      for (std::size_t o = 0; o < out; ++o) {
        double sum = parameters[offset + in * out + o];
        for (std::size_t i = 0; i < in; ++i) sum += parameters[offset + o * in + i] * values.back()[i];
        const bool last = l + 2 == sizes.size();
        next[o] = !last ? std::max(sum, 0.0) : sigmoid ? 1.0 / (1.0 + std::exp(-sum)) : sum;
      }
      offset += in * out + out;
      values.push_back(std::move(next));
    }
    return values;
  }

  /// Adds the parameter gradient of one row to `gradient` and returns the input gradient.
  std::vector<double> backward(const std::vector<std::vector<double>>& values, std::vector<double> upper,
                               std::vector<double>& gradient) const {
    std::size_t offset = parameters.size();
    for (std::size_t l = sizes.size() - 1; l-- > 0;) {
      const auto in = static_cast<std::size_t>(sizes[l]), out = static_cast<std::size_t>(sizes[l + 1]);
      offset -= in * out + out;
      std::vector<double> lower(in);
      for (std::size_t o = 0; o < out; ++o) {
        const double value = values[l + 1][o];
        const bool last = l + 2 == sizes.size();
        const double slope = !last ? (value > 0 ? 1.0 : 0.0) : sigmoid ? value * (1 - value) : 1.0;
        const double at = upper[o] * slope;
        gradient[offset + in * out + o] += at;
        for (std::size_t i = 0; i < in; ++i) {
          gradient[offset + o * in + i] += at * values[l][i];
          lower[i] += at * parameters[offset + o * in + i];
        }
      }
      upper = std::move(lower);
    }
    return upper;
  }

  void adam(const std::vector<double>& gradient, double rate) {
    ++steps;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      first[i] = 0.9 * first[i] + 0.1 * gradient[i];
      second[i] = 0.999 * second[i] + 0.001 * gradient[i] * gradient[i];
      const double m = first[i] / (1 - std::pow(0.9, steps)), v = second[i] / (1 - std::pow(0.999, steps));
      parameters[i] -= rate * m / (std::sqrt(v) + 1e-8);
    }
  }
};

}  // namespace bitsmith::search::reference
