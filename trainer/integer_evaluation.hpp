#pragma once

#include <memory>
#include <vector>

#include "trainer/integer_network.hpp"
#include "trainer/network.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// The logits of a quantized network, computed as it will be deployed: by integer networks, one for each
/// thread. What it gives does not depend on their number.
class IntegerEvaluation {
 public:
  /// Whether the network asks for integers (its arithmetic's forward), quantizes something, and has an
  /// integer network at all.
  static bool serves(const Network& network);

  /// Takes the network's present numbers.
  explicit IntegerEvaluation(const Network& network);

  /// Valid until the next call.
  const Tensor& logits(const Tensor& images);

 private:
  std::vector<std::unique_ptr<IntegerNetwork>> lanes_;
  Tensor logits_;
};

}  // namespace bitsmith::trainer
