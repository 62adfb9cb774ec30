#pragma once

#include "trainer/layers/relu.hpp"

namespace bitsmith::trainer {

/// y = min(max(x, 0), 6). The gradients at 0 and at 6 are 0.
class Relu6 : public Relu {
 public:
  explicit Relu6(const LayerArguments& arguments);
};

}  // namespace bitsmith::trainer
