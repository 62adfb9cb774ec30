#include "trainer/layers/linear.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "quant/kernels/onednn_choose.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

}  // namespace

Linear::Linear(const LayerArguments& arguments)
    : ProductLayer(arguments, {arguments.node.output.channels, arguments.input().channels}, Tag::oi) {
  const quant::Shape& input = arguments.input();
  if (input.height * input.width != 1)
    throw base::UserError(
        fmt::format("{}: a linear layer reads features, got {}x{}x{}: put a flatten or a pooling before it",
                    arguments.node.name, input.channels, input.height, input.width));
}

ForwardProduct Linear::make_forward(int samples, Type input, bool adds_bias) const {
  const int inputs = arguments_.input().channels, outputs = arguments_.node.output.channels;
  const bool integers = input == Type::u8 || input == Type::s8;
  ForwardProduct p;
  p.x = memory::desc({samples, inputs}, input, Tag::nc);
  p.y = memory::desc({samples, outputs}, Type::f32, Tag::nc);
  if (arguments_.bias != nullptr && adds_bias) p.bias = memory::desc({outputs}, Type::f32, Tag::x);
  const memory::desc weights({outputs, inputs}, integers ? Type::s8 : input, Tag::any);
  const auto attributes = onednn_attributes();
  const dnnl::inner_product_forward::desc description(dnnl::prop_kind::forward_inference, p.x, weights,
                                                      p.bias, p.y);
  const auto chosen = quant::onednn_choose<dnnl::inner_product_forward::primitive_desc>(
      description, attributes, onednn_engine());
  p.primitive = dnnl::inner_product_forward(chosen);
  p.weights = chosen.weights_desc();
  p.scratch = chosen.scratchpad_desc();
  return p;
}

BackwardProduct Linear::make_backward(int samples, Type operands,
                                      const memory::desc& weights_gradient) const {
  const int inputs = arguments_.input().channels, outputs = arguments_.node.output.channels;
  BackwardProduct p;
  p.x = memory::desc({samples, inputs}, operands, Tag::nc);
  p.dy = memory::desc({samples, outputs}, operands, Tag::nc);
  p.dx = memory::desc({samples, inputs}, Type::f32, Tag::nc);
  if (arguments_.bias != nullptr) p.bias = memory::desc({outputs}, Type::f32, Tag::x);
  const memory::desc weights({outputs, inputs}, operands, Tag::any);
  const memory::desc gradient =
      weights_gradient.is_zero() ? memory::desc({outputs, inputs}, Type::f32, Tag::any) : weights_gradient;
  const auto attributes = onednn_attributes();
  const dnnl::inner_product_forward::desc forward(dnnl::prop_kind::forward_training, p.x, weights, p.dy);
  const auto hint =
      quant::onednn_choose<dnnl::inner_product_forward::primitive_desc>(forward, attributes, onednn_engine());

  const dnnl::inner_product_backward_weights::desc by_weights(p.x, gradient, p.bias, p.dy);
  const auto by_weights_chosen = quant::onednn_choose<dnnl::inner_product_backward_weights::primitive_desc>(
      by_weights, attributes, onednn_engine(), hint);
  p.by_weights = dnnl::inner_product_backward_weights(by_weights_chosen);
  p.weights_gradient = by_weights_chosen.diff_weights_desc();
  p.by_weights_scratch = by_weights_chosen.scratchpad_desc();
  if (arguments_.input_is_image) return p;

  const dnnl::inner_product_backward_data::desc by_data(p.dx, weights, p.dy);
  const auto by_data_chosen = quant::onednn_choose<dnnl::inner_product_backward_data::primitive_desc>(
      by_data, attributes, onednn_engine(), hint);
  p.by_data = dnnl::inner_product_backward_data(by_data_chosen);
  p.weights = by_data_chosen.weights_desc();
  p.by_data_scratch = by_data_chosen.scratchpad_desc();
  return p;
}

}  // namespace bitsmith::trainer
