#include "trainer/ptq/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "trainer/ptq/connections.hpp"

namespace bitsmith::trainer::ptq {
namespace {

constexpr double kLeastRange = 1e-6;  // of the layer's largest weight

/// Two connected layers, or three with a plain depthwise one in the middle.
struct Set {
  Connection first;
  std::optional<Connection> second;
};

std::vector<Set> find_sets(const quant::NetworkInfo& info) {
  const std::vector<Connection> connections = find_connections(info);
  std::vector<bool> taken(connections.size(), false);
  std::vector<Set> sets;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    if (taken[i]) continue;
    Set set{connections[i], std::nullopt};
    const int middle = connections[i].to;
    if (is_plain_depthwise(info.layers[static_cast<std::size_t>(middle)]))
      for (std::size_t k = i + 1; k < connections.size(); ++k)
        if (connections[k].from == middle) {
          set.second = connections[k];
          taken[k] = true;
        }
    sets.push_back(set);
  }
  return sets;
}

/// The network's numbers in double, so that many sweeps round once.
class Numbers {
 public:
  Numbers(Network& network, std::vector<ChannelMoments>& outputs)
      : network_(network), info_(network.info()), outputs_(outputs) {
    for (const quant::LayerInfo& layer : info_.layers) {
      const auto& weight = parameter(layer, ".weight").value;
      weights_.emplace_back(weight.begin(), weight.end());
      std::vector<double> bias;
      if (layer.bias)
        bias.assign(parameter(layer, ".bias").value.begin(), parameter(layer, ".bias").value.end());
      biases_.push_back(std::move(bias));
    }
  }

  const quant::NetworkInfo& info() const { return info_; }
  int channels(const Connection& c) const {
    return info_.layers[static_cast<std::size_t>(c.from)].output.channels;
  }
  double largest(int layer) const {
    double most = 0;
    for (double w : weights_[static_cast<std::size_t>(layer)]) most = std::max(most, std::abs(w));
    return most;
  }
  double range_of_output(int layer, int channel) const {
    double most = 0;
    for (double w : row(layer, channel)) most = std::max(most, std::abs(w));
    return most;
  }
  double range_of_input(const Connection& c, int channel) const {
    const auto& weights = weights_[static_cast<std::size_t>(c.to)];
    double most = 0;
    for_each_reader(info_, c, channel, [&](std::size_t i) { most = std::max(most, std::abs(weights[i])); });
    return most;
  }
  void scale_output(int layer, int channel, double factor) {
    const auto l = static_cast<std::size_t>(layer), c = static_cast<std::size_t>(channel);
    for (double& w : row(layer, channel)) w *= factor;
    if (!biases_[l].empty()) biases_[l][c] *= factor;
    if (l < outputs_.size() && outputs_[l].known()) {
      outputs_[l].mean[c] *= factor;
      outputs_[l].deviation[c] *= factor;
    }
  }
  void scale_input(const Connection& c, int channel, double factor) {
    auto& weights = weights_[static_cast<std::size_t>(c.to)];
    for_each_reader(info_, c, channel, [&](std::size_t i) { weights[i] *= factor; });
  }

  void write_back() {
    for (std::size_t l = 0; l < info_.layers.size(); ++l) {
      const auto round = [](double x) { return static_cast<float>(x); };
      std::ranges::transform(weights_[l], parameter(info_.layers[l], ".weight").value.begin(), round);
      if (!biases_[l].empty())
        std::ranges::transform(biases_[l], parameter(info_.layers[l], ".bias").value.begin(), round);
    }
  }

 private:
  Parameter& parameter(const quant::LayerInfo& layer, const char* which) const {
    return *network_.find_parameter(layer.name + which);
  }
  std::span<double> row(int layer, int channel) {
    auto& weights = weights_[static_cast<std::size_t>(layer)];
    const std::size_t size =
        weights.size() /
        static_cast<std::size_t>(info_.layers[static_cast<std::size_t>(layer)].output.channels);
    return {weights.data() + static_cast<std::size_t>(channel) * size, size};
  }
  std::span<const double> row(int layer, int channel) const {
    return const_cast<Numbers*>(this)->row(layer, channel);
  }

  Network& network_;
  const quant::NetworkInfo& info_;
  std::vector<ChannelMoments>& outputs_;
  std::vector<std::vector<double>> weights_, biases_;
};

/// Returns how far the farthest factor was from 1.
double equalize_pair(Numbers& numbers, const Connection& c) {
  const double least1 = kLeastRange * numbers.largest(c.from), least2 = kLeastRange * numbers.largest(c.to);
  double change = 0;
  for (int i = 0; i < numbers.channels(c); ++i) {
    const double r1 = numbers.range_of_output(c.from, i), r2 = numbers.range_of_input(c, i);
    if (r1 <= least1 || r2 <= least2) continue;
    const double s = std::sqrt(r1 / r2);
    numbers.scale_output(c.from, i, 1 / s);
    numbers.scale_input(c, i, s);
    change = std::max(change, std::abs(s - 1));
  }
  return change;
}

double equalize_triple(Numbers& numbers, const Connection& a, const Connection& b) {
  const double least1 = kLeastRange * numbers.largest(a.from), least2 = kLeastRange * numbers.largest(a.to),
               least3 = kLeastRange * numbers.largest(b.to);
  double change = 0;
  for (int i = 0; i < numbers.channels(a); ++i) {
    const double r1 = numbers.range_of_output(a.from, i), r2 = numbers.range_of_output(a.to, i),
                 r3 = numbers.range_of_input(b, i);
    if (r1 <= least1 || r2 <= least2 || r3 <= least3) continue;
    const double g = std::cbrt(r1 * r2 * r3), s12 = r1 / g, s23 = g / r3;
    numbers.scale_output(a.from, i, 1 / s12);
    numbers.scale_input(a, i, s12);
    numbers.scale_output(a.to, i, 1 / s23);
    numbers.scale_input(b, i, s23);
    change = std::max({change, std::abs(s12 - 1), std::abs(s23 - 1)});
  }
  return change;
}

}  // namespace

EqualizeReport equalize(Network& network, std::vector<ChannelMoments>& outputs,
                        const EqualizeOptions& options) {
  const std::vector<Set> sets = find_sets(network.info());
  EqualizeReport report;
  for (const Set& set : sets) ++(set.second ? report.triples : report.pairs);
  Numbers numbers(network, outputs);
  double change = sets.empty() ? 0 : 1;
  while (report.sweeps < options.sweeps && change > options.tolerance) {
    change = 0;
    for (const Set& set : sets)
      change = std::max(change, set.second ? equalize_triple(numbers, set.first, *set.second)
                                           : equalize_pair(numbers, set.first));
    ++report.sweeps;
  }
  numbers.write_back();
  return report;
}

}  // namespace bitsmith::trainer::ptq
