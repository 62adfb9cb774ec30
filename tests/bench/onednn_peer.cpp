#include "tests/bench/onednn_peer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

namespace bitsmith::bench {
namespace {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

struct Peer {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::primitive primitive;
  std::vector<std::unordered_map<int, memory>> calls;  ///< one per copy of the weights
  std::size_t next = 0;
};

memory filled(const memory::desc& description, const dnnl::engine& engine, int mask) {
  memory result(description, engine);
  auto* bytes = static_cast<unsigned char*>(result.get_data_handle());
  for (std::size_t i = 0; i < description.get_size(); ++i)
    bytes[i] = static_cast<unsigned char>((i * 37) & static_cast<std::size_t>(mask));
  return result;
}

}  // namespace

std::function<void()> onednn_int8_peer(const quant::LayerInfo& layer, double weight_bytes) {
  const auto peer = std::make_shared<Peer>();
  const memory::dim in = layer.input.channels, out = layer.output.channels, groups = layer.groups;
  const auto& w = layer.window;
  const bool linear = layer.kind == quant::LayerKind::linear;
  dnnl::primitive_attr attributes;
  std::vector<float> scales(static_cast<std::size_t>(out));
  for (std::size_t c = 0; c < scales.size(); ++c) scales[c] = 1e-4f * static_cast<float>(1 + c % 7);
  attributes.set_output_scales(2, scales);
  const memory::desc bias({out}, Type::s32, Tag::x);
  memory::desc from, weights, to;
  if (linear) {
    const dnnl::inner_product_forward::desc description(
        dnnl::prop_kind::forward_inference, memory::desc({1, in}, Type::u8, Tag::any),
        memory::desc({out, in}, Type::s8, Tag::any), bias, memory::desc({1, out}, Type::f32, Tag::any));
    const dnnl::inner_product_forward::primitive_desc chosen(description, attributes, peer->engine);
    peer->primitive = dnnl::inner_product_forward(chosen);
    from = chosen.src_desc(), weights = chosen.weights_desc(), to = chosen.dst_desc();
  } else {
    dnnl::post_ops relu;
    relu.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(relu);
    const memory::dims shape = groups > 1
                                   ? memory::dims{groups, out / groups, in / groups, w.kernel_h, w.kernel_w}
                                   : memory::dims{out, in, w.kernel_h, w.kernel_w};
    const dnnl::convolution_forward::desc description(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
        memory::desc({1, in, layer.input.height, layer.input.width}, Type::u8, Tag::any),
        memory::desc(shape, Type::s8, Tag::any), bias,
        memory::desc({1, out, layer.output.height, layer.output.width}, Type::u8, Tag::any),
        {w.stride_h, w.stride_w}, {w.pad_top, w.pad_left}, {w.pad_bottom, w.pad_right});
    const dnnl::convolution_forward::primitive_desc chosen(description, attributes, peer->engine);
    peer->primitive = dnnl::convolution_forward(chosen);
    from = chosen.src_desc(), weights = chosen.weights_desc(), to = chosen.dst_desc();
  }
  const memory source = filled(from, peer->engine, 63), offsets = filled(bias, peer->engine, 0),
               result = filled(to, peer->engine, 0);
  const int copies =
      std::max(1, static_cast<int>(std::ceil(weight_bytes / static_cast<double>(weights.get_size()))));
  for (int i = 0; i < copies; ++i)
    peer->calls.push_back({{DNNL_ARG_SRC, source},
                           {DNNL_ARG_WEIGHTS, filled(weights, peer->engine, 63)},
                           {DNNL_ARG_BIAS, offsets},
                           {DNNL_ARG_DST, result}});
  return [peer] {
    peer->primitive.execute(peer->stream, peer->calls[peer->next]);
    if (++peer->next == peer->calls.size()) peer->next = 0;
  };
}

}  // namespace bitsmith::bench
