#include "trainer/layers/linear.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kF32 = memory::data_type::f32;

}  // namespace

Linear::Linear(const LayerArguments& arguments)
    : ProductLayer(arguments, {arguments.node.output.channels, arguments.input().channels}, Tag::oi) {
  const quant::Shape& input = arguments.input();
  if (input.height * input.width != 1)
    throw base::UserError(
        fmt::format("{}: a linear layer reads features, got {}x{}x{}: put a flatten or a pooling before it",
                    arguments.node.name, input.channels, input.height, input.width));
}

ProductPrimitives Linear::make(int samples, bool backward, bool input_gradient) const {
  const int inputs = arguments_.input().channels, outputs = arguments_.node.output.channels;
  ProductPrimitives p;
  p.x = memory::desc({samples, inputs}, kF32, Tag::nc);
  p.y = memory::desc({samples, outputs}, kF32, Tag::nc);
  if (arguments_.bias != nullptr) p.bias = memory::desc({outputs}, kF32, Tag::x);
  const memory::desc weights({outputs, inputs}, kF32, Tag::any);
  const auto attributes = onednn_attributes();
  const auto kind = backward ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;

  const dnnl::inner_product_forward::desc forward(kind, p.x, weights, p.bias, p.y);
  const dnnl::inner_product_forward::primitive_desc forward_pd(forward, attributes, onednn_engine());
  p.forward = dnnl::inner_product_forward(forward_pd);
  p.forward_weights = forward_pd.weights_desc();
  p.forward_scratch = forward_pd.scratchpad_desc();
  if (!backward) return p;

  const dnnl::inner_product_backward_weights::desc by_weights(p.x, weights, p.bias, p.y);
  const dnnl::inner_product_backward_weights::primitive_desc by_weights_pd(by_weights, attributes,
                                                                           onednn_engine(), forward_pd);
  p.backward_weights = dnnl::inner_product_backward_weights(by_weights_pd);
  p.weights_gradient = by_weights_pd.diff_weights_desc();
  p.backward_weights_scratch = by_weights_pd.scratchpad_desc();
  if (!input_gradient) return p;

  const dnnl::inner_product_backward_data::desc by_data(p.x, weights, p.y);
  const dnnl::inner_product_backward_data::primitive_desc by_data_pd(by_data, attributes, onednn_engine(),
                                                                     forward_pd);
  p.backward_data = dnnl::inner_product_backward_data(by_data_pd);
  p.backward_data_weights = by_data_pd.weights_desc();
  p.backward_data_scratch = by_data_pd.scratchpad_desc();
  return p;
}

}  // namespace bitsmith::trainer
