#pragma once

#include "trainer/layers/product_layer.hpp"

namespace bitsmith::trainer {

/// y = x W^T + b. Weights out x in. Throws UserError for an input of more than one pixel: flatten it first,
/// so that the order of the features is said.
class Linear : public ProductLayer {
 public:
  explicit Linear(const LayerArguments& arguments);

 protected:
  ForwardProduct make_forward(int samples, Type input, bool adds_bias) const override;
  BackwardProduct make_backward(int samples, Type operands,
                                const dnnl::memory::desc& weights_gradient) const override;
};

}  // namespace bitsmith::trainer
