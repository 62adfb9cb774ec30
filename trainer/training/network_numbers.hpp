#pragma once

#include <vector>

#include "trainer/network.hpp"

namespace bitsmith::trainer {

/// The numbers of a network, apart from it: one vector per parameter and one per buffer, in its order.
struct NetworkNumbers {
  std::vector<std::vector<float>> parameters, buffers;

  bool empty() const { return parameters.empty(); }
};

/// Whether there are as many, of the same sizes, as the network has now.
bool fits(const NetworkNumbers& numbers, const Network& network);
/// Reuses the memory of `numbers`.
void copy_numbers(const Network& network, NetworkNumbers& numbers);
/// Throws InternalError, here and below, for numbers of another network.
void put_numbers(const NetworkNumbers& numbers, Network& network);
void swap_numbers(NetworkNumbers& numbers, Network& network);

}  // namespace bitsmith::trainer
