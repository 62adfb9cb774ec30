#include "trainer/layers/conv.hpp"

#include "quant/kernels/onednn_choose.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

memory::dims weight_dims(const LayerArguments& arguments) {
  const quant::Node& node = arguments.node;
  const quant::Window& w = node.window;
  const int inputs = arguments.input().channels, outputs = node.output.channels;
  if (node.groups == 1) return {outputs, inputs, w.kernel_h, w.kernel_w};
  return {node.groups, outputs / node.groups, inputs / node.groups, w.kernel_h, w.kernel_w};
}

/// A window in oneDNN's terms.
struct Sliding {
  explicit Sliding(const quant::Window& w)
      : strides{w.stride_h, w.stride_w},
        gaps{w.dilation_h - 1, w.dilation_w - 1},  // oneDNN counts what lies between
        begin{w.pad_top, w.pad_left},
        end{w.pad_bottom, w.pad_right} {}
  memory::dims strides, gaps, begin, end;
};

}  // namespace

Conv::Conv(const LayerArguments& arguments)
    : ProductLayer(arguments, weight_dims(arguments), arguments.node.groups == 1 ? Tag::oihw : Tag::goihw) {}

memory::desc Conv::image(const quant::Shape& shape, int samples, Type type) const {
  return {{samples, shape.channels, shape.height, shape.width}, type, Tag::nhwc};
}

ForwardProduct Conv::make_forward(int samples, Type input, bool adds_bias) const {
  const bool integers = input == Type::u8 || input == Type::s8;
  ForwardProduct p;
  p.x = image(arguments_.input(), samples, input);
  p.y = image(arguments_.node.output, samples, Type::f32);
  if (arguments_.bias != nullptr && adds_bias)
    p.bias = memory::desc({arguments_.node.output.channels}, Type::f32, Tag::x);
  const memory::desc weights(weight_dims(arguments_), integers ? Type::s8 : input, Tag::any);
  const Sliding sliding(arguments_.node.window);
  const auto attributes = onednn_attributes();
  const dnnl::convolution_forward::desc description(dnnl::prop_kind::forward_inference, kDirect, p.x, weights,
                                                    p.bias, p.y, sliding.strides, sliding.gaps, sliding.begin,
                                                    sliding.end);
  const auto chosen = quant::onednn_choose<dnnl::convolution_forward::primitive_desc>(description, attributes,
                                                                                      onednn_engine());
  p.primitive = dnnl::convolution_forward(chosen);
  p.weights = chosen.weights_desc();
  p.scratch = chosen.scratchpad_desc();
  return p;
}

BackwardProduct Conv::make_backward(int samples, Type operands, const memory::desc& weights_gradient) const {
  BackwardProduct p;
  p.x = image(arguments_.input(), samples, operands);
  p.dy = image(arguments_.node.output, samples, operands);
  p.dx = image(arguments_.input(), samples, Type::f32);
  if (arguments_.bias != nullptr) p.bias = memory::desc({arguments_.node.output.channels}, Type::f32, Tag::x);
  const memory::desc weights(weight_dims(arguments_), operands, Tag::any);
  const memory::desc gradient = weights_gradient.is_zero()
                                    ? memory::desc(weight_dims(arguments_), Type::f32, Tag::any)
                                    : weights_gradient;
  const Sliding sliding(arguments_.node.window);
  const auto attributes = onednn_attributes();
  const dnnl::convolution_forward::desc forward(dnnl::prop_kind::forward_training, kDirect, p.x, weights,
                                                p.dy, sliding.strides, sliding.gaps, sliding.begin,
                                                sliding.end);
  const auto hint =
      quant::onednn_choose<dnnl::convolution_forward::primitive_desc>(forward, attributes, onednn_engine());

  const dnnl::convolution_backward_weights::desc by_weights(
      kDirect, p.x, gradient, p.bias, p.dy, sliding.strides, sliding.gaps, sliding.begin, sliding.end);
  const auto by_weights_chosen = quant::onednn_choose<dnnl::convolution_backward_weights::primitive_desc>(
      by_weights, attributes, onednn_engine(), hint);
  p.by_weights = dnnl::convolution_backward_weights(by_weights_chosen);
  p.weights_gradient = by_weights_chosen.diff_weights_desc();
  p.by_weights_scratch = by_weights_chosen.scratchpad_desc();
  if (arguments_.input_is_image) return p;

  const dnnl::convolution_backward_data::desc by_data(kDirect, p.dx, weights, p.dy, sliding.strides,
                                                      sliding.gaps, sliding.begin, sliding.end);
  const auto by_data_chosen = quant::onednn_choose<dnnl::convolution_backward_data::primitive_desc>(
      by_data, attributes, onednn_engine(), hint);
  p.by_data = dnnl::convolution_backward_data(by_data_chosen);
  p.weights = by_data_chosen.weights_desc();
  p.by_data_scratch = by_data_chosen.scratchpad_desc();
  return p;
}

}  // namespace bitsmith::trainer
