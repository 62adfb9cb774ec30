#include "trainer/ptq/absorb_bias.hpp"

#include <algorithm>

#include "trainer/ptq/connections.hpp"

namespace bitsmith::trainer::ptq {
namespace {

bool pads(const quant::Window& w) {
  return w.pad_top > 0 || w.pad_left > 0 || w.pad_bottom > 0 || w.pad_right > 0;
}

double always_there(const ChannelMoments& output, std::size_t channel, bool relu) {
  const double mean = output.mean[channel];
  return relu ? std::max(0.0, mean - 3 * output.deviation[channel]) : mean;
}

}  // namespace

int absorb_high_biases(Network& network, std::vector<ChannelMoments>& outputs) {
  const quant::NetworkInfo& info = network.info();
  int absorbed = 0;
  for (const Connection& connection : find_connections(info)) {
    ChannelMoments& output = outputs[static_cast<std::size_t>(connection.from)];
    const quant::LayerInfo &from = info.layers[static_cast<std::size_t>(connection.from)],
                           &to = info.layers[static_cast<std::size_t>(connection.to)];
    if (!output.known() || pads(to.window) || !from.bias || !to.bias) continue;
    auto& bias = network.find_parameter(from.name + ".bias")->value;
    const auto& weights = network.find_parameter(to.name + ".weight")->value;
    const std::size_t row = weights.size() / static_cast<std::size_t>(to.output.channels);
    std::vector<double> gained(static_cast<std::size_t>(to.output.channels), 0.0);
    for (std::size_t c = 0; c < bias.size(); ++c) {
      const double share = always_there(output, c, connection.relu);
      if (share == 0) continue;
      ++absorbed;
      bias[c] = static_cast<float>(static_cast<double>(bias[c]) - share);
      output.mean[c] -= share;
      for_each_reader(info, connection, static_cast<int>(c),
                      [&](std::size_t i) { gained[i / row] += share * static_cast<double>(weights[i]); });
    }
    auto& reader_bias = network.find_parameter(to.name + ".bias")->value;
    for (std::size_t o = 0; o < gained.size(); ++o)
      reader_bias[o] = static_cast<float>(static_cast<double>(reader_bias[o]) + gained[o]);
  }
  return absorbed;
}

}  // namespace bitsmith::trainer::ptq
