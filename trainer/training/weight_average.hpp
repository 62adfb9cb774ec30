#pragma once

#include <cstdint>

#include "trainer/training/network_numbers.hpp"

namespace bitsmith::trainer {

/// A moving average of a network's numbers over the steps of a training.
struct AverageState {
  std::int64_t updates = 0;
  NetworkNumbers numbers;  ///< empty before the first update
};

/// Takes the numbers after one more step into the average, with the weight (1-d) / (1-d^n) of the n-th: the
/// exponential moving average of decay d with the bias correction of Adam (Kingma and Ba 2015), so that the
/// numbers before the first step have no part in it, however short the training. Batch-norm statistics are
/// averaged like the weights.
void update_average(AverageState& average, const Network& network, double decay);

/// While alive, the network has the averaged numbers, where there are any.
class AveragedNetwork {
 public:
  AveragedNetwork(Network& network, AverageState& average) : network_(network), average_(average) { swap(); }
  ~AveragedNetwork() { swap(); }
  AveragedNetwork(const AveragedNetwork&) = delete;
  AveragedNetwork& operator=(const AveragedNetwork&) = delete;

 private:
  void swap() {
    if (!average_.numbers.empty()) swap_numbers(average_.numbers, network_);
  }

  Network& network_;
  AverageState& average_;
};

}  // namespace bitsmith::trainer
