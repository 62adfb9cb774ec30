#include "trainer/layers/conv.hpp"

#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kF32 = memory::data_type::f32;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

memory::dims weight_dims(const LayerArguments& arguments) {
  const quant::Node& node = arguments.node;
  const quant::Window& w = node.window;
  const int inputs = arguments.input().channels, outputs = node.output.channels;
  if (node.groups == 1) return {outputs, inputs, w.kernel_h, w.kernel_w};
  return {node.groups, outputs / node.groups, inputs / node.groups, w.kernel_h, w.kernel_w};
}

}  // namespace

Conv::Conv(const LayerArguments& arguments)
    : ProductLayer(arguments, weight_dims(arguments), arguments.node.groups == 1 ? Tag::oihw : Tag::goihw) {}

ProductPrimitives Conv::make(int samples, bool backward, bool input_gradient) const {
  const quant::Shape &in = arguments_.input(), &out = arguments_.node.output;
  const quant::Window& w = arguments_.node.window;
  const bool bias = arguments_.bias != nullptr;
  ProductPrimitives p;
  p.x = memory::desc({samples, in.channels, in.height, in.width}, kF32, Tag::nhwc);
  p.y = memory::desc({samples, out.channels, out.height, out.width}, kF32, Tag::nhwc);
  if (bias) p.bias = memory::desc({out.channels}, kF32, Tag::x);
  const memory::desc weights(weight_dims(arguments_), kF32, Tag::any);
  const memory::dims strides{w.stride_h, w.stride_w};
  const memory::dims dilation{w.dilation_h - 1, w.dilation_w - 1};  // oneDNN counts the gap
  const memory::dims begin{w.pad_top, w.pad_left};
  const memory::dims end{w.pad_bottom, w.pad_right};
  const auto attributes = onednn_attributes();
  const auto kind = backward ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;

  const dnnl::convolution_forward::desc forward(kind, kDirect, p.x, weights, p.bias, p.y, strides, dilation,
                                                begin, end);
  const dnnl::convolution_forward::primitive_desc forward_pd(forward, attributes, onednn_engine());
  p.forward = dnnl::convolution_forward(forward_pd);
  p.forward_weights = forward_pd.weights_desc();
  p.forward_scratch = forward_pd.scratchpad_desc();
  if (!backward) return p;

  const dnnl::convolution_backward_weights::desc by_weights(kDirect, p.x, weights, p.bias, p.y, strides,
                                                            dilation, begin, end);
  const dnnl::convolution_backward_weights::primitive_desc by_weights_pd(by_weights, attributes,
                                                                         onednn_engine(), forward_pd);
  p.backward_weights = dnnl::convolution_backward_weights(by_weights_pd);
  p.weights_gradient = by_weights_pd.diff_weights_desc();
  p.backward_weights_scratch = by_weights_pd.scratchpad_desc();
  if (!input_gradient) return p;

  const dnnl::convolution_backward_data::desc by_data(kDirect, p.x, weights, p.y, strides, dilation, begin,
                                                      end);
  const dnnl::convolution_backward_data::primitive_desc by_data_pd(by_data, attributes, onednn_engine(),
                                                                   forward_pd);
  p.backward_data = dnnl::convolution_backward_data(by_data_pd);
  p.backward_data_weights = by_data_pd.weights_desc();
  p.backward_data_scratch = by_data_pd.scratchpad_desc();
  return p;
}

}  // namespace bitsmith::trainer
