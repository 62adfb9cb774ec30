#pragma once

#include "trainer/layers/product_layer.hpp"

namespace bitsmith::trainer {

/// 2-D convolution (cross-correlation, as ONNX's Conv): stride, dilation, groups, zero padding that may
/// differ on every side. Weights O, I/groups, H, W.
class Conv : public ProductLayer {
 public:
  explicit Conv(const LayerArguments& arguments);

 protected:
  ForwardProduct make_forward(int samples, Type input, bool adds_bias) const override;
  BackwardProduct make_backward(int samples, Type operands,
                                const dnnl::memory::desc& weights_gradient) const override;
  bool gains_from_bf16() const override { return arguments_.node.groups == 1; }

 private:
  dnnl::memory::desc image(const quant::Shape& shape, int samples, Type type) const;
};

}  // namespace bitsmith::trainer
