#pragma once

#include "trainer/layers/product_layer.hpp"

namespace bitsmith::trainer {

/// 2-D convolution (cross-correlation, as ONNX's Conv): stride, dilation, groups, zero padding that may
/// differ on every side. Weights O, I/groups, H, W.
class Conv : public ProductLayer {
 public:
  explicit Conv(const LayerArguments& arguments);

 protected:
  ProductPrimitives make(int samples, bool backward, bool input_gradient) const override;
};

}  // namespace bitsmith::trainer
