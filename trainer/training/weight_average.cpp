#include "trainer/training/weight_average.hpp"

#include <cmath>

namespace bitsmith::trainer {
namespace {

template <class Entry>
void move_towards(const std::vector<Entry>& entries, float share, std::vector<std::vector<float>>& average) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const float* const value = entries[i].value.data();
    float* const mean = average[i].data();
    for (std::size_t k = 0; k < average[i].size(); ++k) mean[k] += share * (value[k] - mean[k]);
  }
}

}  // namespace

void update_average(AverageState& average, const Network& network, double decay) {
  ++average.updates;
  if (average.updates == 1) return copy_numbers(network, average.numbers);
  const auto share =
      static_cast<float>((1.0 - decay) / (1.0 - std::pow(decay, static_cast<double>(average.updates))));
  move_towards(network.parameters(), share, average.numbers.parameters);
  move_towards(network.buffers(), share, average.numbers.buffers);
}

}  // namespace bitsmith::trainer
