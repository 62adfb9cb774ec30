#include "quant/kernels/onednn_layer.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <array>
#include <cmath>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/kernels/epilogue.hpp"
#include "quant/kernels/onednn_choose.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

Type type_of(Storage storage) {
  switch (storage) {
    case Storage::f32:
      return Type::f32;
    case Storage::u8:
      return Type::u8;
    case Storage::s8:
      return Type::s8;
  }
  return Type::undef;
}

// Appends the clamp of LayerNumbers; what the output type clamps anyway is left out.
void append_clamp(dnnl::post_ops& ops, float low, float high, Storage to) {
  constexpr float kMost = std::numeric_limits<float>::max();
  if (to == Storage::u8 && low <= 0) low = -kMost;
  if (to == Storage::u8 && high >= 255) high = kMost;
  if (to == Storage::s8 && low <= -128) low = -kMost;
  if (to == Storage::s8 && high >= 127) high = kMost;
  const bool bounded_below = low > -kMost, bounded_above = high < kMost;
  if (low == 0 && !bounded_above)
    ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
  else if (bounded_below || bounded_above)
    ops.append_eltwise(1, dnnl::algorithm::eltwise_clip, bounded_below ? low : -kMost,
                       bounded_above ? high : kMost);
}

// What oneDNN is asked for, and what it answered with.
struct Made {
  dnnl::primitive primitive;
  memory::desc source, weights, target, scratchpad;
};

Made make_convolution(const LayerInfo& layer, int batch, Type weight_type, Storage from, Storage to,
                      const dnnl::primitive_attr& attributes) {
  const Window& w = layer.window;
  const memory::dims in{batch, layer.input.channels, layer.input.height, layer.input.width};
  const memory::dims out{batch, layer.output.channels, layer.output.height, layer.output.width};
  const int inputs = layer.input.channels / layer.groups, outputs = layer.output.channels / layer.groups;
  const memory::dims kernel = layer.groups > 1
                                  ? memory::dims{layer.groups, outputs, inputs, w.kernel_h, w.kernel_w}
                                  : memory::dims{outputs, inputs, w.kernel_h, w.kernel_w};
  const dnnl::convolution_forward::desc description(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      memory::desc(in, type_of(from), Tag::nhwc), memory::desc(kernel, weight_type, Tag::any),
      memory::desc({layer.output.channels}, Type::f32, Tag::x), memory::desc(out, type_of(to), Tag::nhwc),
      {w.stride_h, w.stride_w}, {w.dilation_h - 1, w.dilation_w - 1}, {w.pad_top, w.pad_left},
      {w.pad_bottom, w.pad_right});
  const auto chosen =
      onednn_choose<dnnl::convolution_forward::primitive_desc>(description, attributes, cpu());
  return {dnnl::convolution_forward(chosen), chosen.src_desc(), chosen.weights_desc(), chosen.dst_desc(),
          chosen.scratchpad_desc()};
}

Made make_product(const LayerInfo& layer, int batch, Type weight_type, Storage from, Storage to,
                  const dnnl::primitive_attr& attributes) {
  const std::int64_t inputs = layer.input.elements(), outputs = layer.output.channels;
  const dnnl::inner_product_forward::desc description(
      dnnl::prop_kind::forward_inference, memory::desc({batch, inputs}, type_of(from), Tag::nc),
      memory::desc({outputs, inputs}, weight_type, Tag::any), memory::desc({outputs}, Type::f32, Tag::x),
      memory::desc({batch, outputs}, type_of(to), Tag::nc));
  const auto chosen =
      onednn_choose<dnnl::inner_product_forward::primitive_desc>(description, attributes, cpu());
  return {dnnl::inner_product_forward(chosen), chosen.src_desc(), chosen.weights_desc(), chosen.dst_desc(),
          chosen.scratchpad_desc()};
}

class OneDnnLayer final : public PreparedKernel {
 public:
  /// `weights` in O,I/groups,H,W, of `weight_type`; `scales` empty: none.
  OneDnnLayer(const LayerInfo& layer, Storage from, Storage to, int batch, Type weight_type,
              const void* weights, std::vector<float> bias, const std::vector<float>& scales, float low,
              float high)
      : stream_(cpu()), bias_values_(std::move(bias)) {
    omp_set_num_threads(1);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (!scales.empty()) attributes.set_output_scales(1 << 1, scales);
    dnnl::post_ops ops;
    append_clamp(ops, low, high, to);
    attributes.set_post_ops(ops);
    const bool linear = layer.kind == LayerKind::linear;
    Made made = linear ? make_product(layer, batch, weight_type, from, to, attributes)
                       : make_convolution(layer, batch, weight_type, from, to, attributes);
    primitive_ = made.primitive;
    source_ = memory(made.source, cpu(), nullptr);
    target_ = memory(made.target, cpu(), nullptr);
    scratchpad_ = memory(made.scratchpad, cpu());
    bias_ = memory({{layer.output.channels}, Type::f32, Tag::x}, cpu(), bias_values_.data());
    reorder_weights(made.weights, weight_type, linear, layer.groups > 1, weights);
    arguments_ = {{{DNNL_ARG_SRC, source_.get()},
                   {DNNL_ARG_WEIGHTS, weights_.get()},
                   {DNNL_ARG_BIAS, bias_.get()},
                   {DNNL_ARG_DST, target_.get()},
                   {DNNL_ARG_SCRATCHPAD, scratchpad_.get()}}};
  }

  void run(const void* in, void* out) override {
    omp_set_num_threads(1);
    source_.set_data_handle(const_cast<void*>(in));  // oneDNN's interface has no const; it only reads
    target_.set_data_handle(out);
    const dnnl_status_t status = dnnl_primitive_execute(
        primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data());
    base::require(status == dnnl_success, "oneDNN could not run a layer it had prepared");
  }

  std::int64_t weight_bytes() const override {
    return static_cast<std::int64_t>(weights_.get_desc().get_size() + bias_values_.size() * sizeof(float));
  }

 private:
  void reorder_weights(const memory::desc& wanted, Type type, bool linear, bool grouped,
                       const void* weights) {
    const Tag plain = linear ? Tag::oi : grouped ? Tag::goihw : Tag::oihw;
    memory from({wanted.dims(), type, plain}, cpu(), const_cast<void*>(weights));
    weights_ = memory(wanted, cpu());
    dnnl::reorder(onednn_choose<dnnl::reorder::primitive_desc>(from, weights_))
        .execute(stream_, from, weights_);
    stream_.wait();
  }

  dnnl::stream stream_;
  std::vector<float> bias_values_;
  dnnl::primitive primitive_;
  memory source_, weights_, bias_, target_, scratchpad_;
  std::array<dnnl_exec_arg_t, 5> arguments_{};
};

std::unique_ptr<PreparedKernel> make(const LayerInfo& layer, Storage from, Storage to, int batch,
                                     Type weight_type, const void* weights, std::vector<float> bias,
                                     const std::vector<float>& scales, const LayerNumbers& numbers) {
  try {
    return std::make_unique<OneDnnLayer>(layer, from, to, batch, weight_type, weights, std::move(bias),
                                         scales, numbers.low, numbers.high);
  } catch (const dnnl::error& error) {
    throw base::InternalError(fmt::format("oneDNN refuses layer '{}': {}", layer.name, error.what()));
  }
}

bool has_vnni() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool onednn_int8_refuses(const LayerInfo& layer, LayerBits bits, Storage from) {
  static const bool vnni = has_vnni();
  if (may_overflow(layer)) return true;
  if (vnni) return false;
  if (from == Storage::s8) return true;
  const int largest_weight = bits.weight == 1 ? 1 : integer_range(bits.weight, true).high;
  const int largest = integer_range(bits.activation, layer.input_signed).high * largest_weight;
  return 2 * largest > std::numeric_limits<std::int16_t>::max();
}

std::unique_ptr<PreparedKernel> make_onednn_f32(const LayerInfo& layer, LayerBits, Storage from, Storage to,
                                                int batch, const LayerNumbers& numbers) {
  std::vector<float> weights = numbers.float_weights;
  const std::size_t each = weights.size() / numbers.multiplier.size();
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] *= numbers.multiplier[i / each];
  return make(layer, from, to, batch, Type::f32, weights.data(), numbers.bias, {}, numbers);
}

std::unique_ptr<PreparedKernel> make_onednn_int8(const LayerInfo& layer, LayerBits, Storage from, Storage to,
                                                 int batch, const LayerNumbers& numbers) {
  Epilogue epilogue = make_epilogue(numbers);
  const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue);
  return make(layer, from, to, batch, Type::s8, weights.data(), std::move(epilogue.offset),
              epilogue.multiplier, numbers);
}

}  // namespace bitsmith::quant
