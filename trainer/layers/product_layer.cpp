#include "trainer/layers/product_layer.hpp"

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/kernels/passes.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

using Type = dnnl::memory::data_type;

std::int64_t round_up(std::int64_t floats) { return (floats + 15) / 16 * 16; }

std::int64_t floats_of(const dnnl::memory::desc& desc) {
  return round_up(static_cast<std::int64_t>((desc.get_size() + sizeof(float) - 1) / sizeof(float)));
}

}  // namespace

ProductLayer::ProductLayer(const LayerArguments& arguments, dnnl::memory::dims weight_dims,
                           dnnl::memory::format_tag weight_tag)
    : arguments_(arguments),
      plain_weights_(weight_dims, Type::f32, weight_tag),
      input_elements_(arguments.input().elements()),
      output_elements_(arguments.node.output.elements()),
      weights_(plain_weights_),
      gradient_(plain_weights_),
      multiplier_(folded_width(static_cast<std::size_t>(arguments.node.output.channels))),
      offset_(multiplier_.size(), 0.0f) {}

bool ProductLayer::in_bf16(bool wanted) const { return wanted && gains_from_bf16() && onednn_has_bf16(); }

void ProductLayer::quantize_weights() {
  activations_.prepare(*arguments_.quantization);
  if (arguments_.quantization->quantizes_weights())
    quantizer_.update(*arguments_.weight, *arguments_.quantization);
}

void ProductLayer::choose_types() {
  const Arithmetic arithmetic = arguments_.arithmetic != nullptr ? *arguments_.arithmetic : Arithmetic{};
  const bool integers = arguments_.quantization->quantizes_weights() && !quantizer_.levels().empty() &&
                        activations_.gives_integers();
  forward_type_ = in_bf16(arithmetic.forward == ForwardArithmetic::bf16) ? Type::bf16 : Type::f32;
  if (arithmetic.forward == ForwardArithmetic::integer && integers && onednn_has_int8())
    forward_type_ = activations_.is_signed() ? Type::s8 : Type::u8;
  multiplies_levels_ = integers && forward_type_ != Type::f32;
  backward_type_ = in_bf16(arithmetic.backward == BackwardArithmetic::bf16) ? Type::bf16 : Type::f32;
}

ProductLayer::ForwardCalls& ProductLayer::forward_calls(int samples) {
  for (auto& calls : forward_)
    if (calls->samples == samples && calls->input == forward_type_ && calls->levels == multiplies_levels_)
      return *calls;
  throw base::InternalError("ProductLayer: a piece of a size that was not reserved");
}

ProductLayer::BackwardCalls& ProductLayer::backward_calls(int samples) {
  for (auto& calls : backward_)
    if (calls->samples == samples && calls->operands == backward_type_) return *calls;
  throw base::InternalError("ProductLayer: a piece of a size that was not reserved");
}

void ProductLayer::reserve(int parts, std::span<const int> samples, bool backward) {
  quantize_weights();
  choose_types();
  activations_.reserve(parts);
  for (int count : samples) {
    reserve_forward(parts, count);
    if (backward) reserve_backward(parts, count);
  }
}

void ProductLayer::reserve_forward(int parts, int samples) {
  const auto made = std::ranges::any_of(forward_, [&](const auto& calls) {
    return calls->samples == samples && calls->input == forward_type_ && calls->levels == multiplies_levels_;
  });
  if (!made)
    forward_.push_back(
        std::make_unique<ForwardCalls>(ForwardCalls{samples,
                                                    forward_type_,
                                                    multiplies_levels_,
                                                    make_forward(samples, forward_type_, !multiplies_levels_),
                                                    {}}));
  ForwardCalls& calls = forward_calls(samples);
  const ForwardProduct& product = calls.product;
  while (calls.parts.size() < static_cast<std::size_t>(parts)) {
    PrimitiveCall call(product.primitive);
    call.bind(DNNL_ARG_SRC, onednn_view(product.x));
    call.bind(DNNL_ARG_DST, onednn_view(product.y));
    call.bind(DNNL_ARG_WEIGHTS,
              weights_.as(product.weights,
                          multiplies_levels_ ? PreparedWeights::Use::levels : PreparedWeights::Use::values));
    call.bind(DNNL_ARG_SCRATCHPAD, onednn_view(product.scratch));
    if (!product.bias.is_zero()) call.bind(DNNL_ARG_BIAS, onednn_view(product.bias));
    calls.parts.push_back(std::move(call));
  }
}

void ProductLayer::reserve_backward(int parts, int samples) {
  const auto of_type =
      std::ranges::find_if(backward_, [&](const auto& calls) { return calls->operands == backward_type_; });
  const dnnl::memory::desc layout =
      of_type == backward_.end() ? dnnl::memory::desc() : (*of_type)->product.weights_gradient;
  const auto made = std::ranges::any_of(backward_, [&](const auto& calls) {
    return calls->samples == samples && calls->operands == backward_type_;
  });
  if (!made)
    backward_.push_back(std::make_unique<BackwardCalls>(
        BackwardCalls{samples, backward_type_, make_backward(samples, backward_type_, layout), {}}));
  BackwardCalls& calls = backward_calls(samples);
  const BackwardProduct& product = calls.product;
  gradient_.reserve(parts, product.weights_gradient, product.bias);
  while (calls.parts.size() < static_cast<std::size_t>(parts)) {
    const int part = static_cast<int>(calls.parts.size());
    BackwardCalls::Part own{PrimitiveCall(product.by_weights), PrimitiveCall(product.by_data)};
    own.by_weights.bind(DNNL_ARG_SRC, onednn_view(product.x));
    own.by_weights.bind(DNNL_ARG_DIFF_DST, onednn_view(product.dy));
    own.by_weights.bind(DNNL_ARG_SCRATCHPAD, onednn_view(product.by_weights_scratch));
    own.by_weights.bind(DNNL_ARG_DIFF_WEIGHTS, gradient_.weights_of_piece(part, true));
    if (!product.bias.is_zero()) own.by_weights.bind(DNNL_ARG_DIFF_BIAS, gradient_.bias_of_piece(part, true));
    if (product.by_data) {
      own.by_data.bind(DNNL_ARG_DIFF_DST, onednn_view(product.dy));
      own.by_data.bind(DNNL_ARG_DIFF_SRC, onednn_view(product.dx));
      own.by_data.bind(DNNL_ARG_WEIGHTS, weights_.as(product.weights, PreparedWeights::Use::backward_values));
      own.by_data.bind(DNNL_ARG_SCRATCHPAD, onednn_view(product.by_data_scratch));
    }
    calls.parts.push_back(std::move(own));
  }
}

ProductLayer::Scratch ProductLayer::scratch(int samples, std::int64_t primitive_floats) const {
  Scratch s{};
  s.input = 0;
  s.converted_input = s.input + round_up(samples * input_elements_);
  s.converted_gradient = s.converted_input + round_up((samples * input_elements_ + 1) / 2);
  s.primitive = s.converted_gradient + round_up((samples * output_elements_ + 1) / 2);
  s.end = s.primitive + primitive_floats;
  return s;
}

std::int64_t ProductLayer::scratch_floats(int samples, bool backward) const {
  auto* self = const_cast<ProductLayer*>(this);
  std::int64_t most = floats_of(self->forward_calls(samples).product.scratch);
  if (backward) {
    const BackwardProduct& product = self->backward_calls(samples).product;
    most = std::max({most, floats_of(product.by_weights_scratch), floats_of(product.by_data_scratch)});
  }
  return scratch(samples, most).end;
}

void ProductLayer::prepare(Mode mode) {
  quantize_weights();
  const bool quantized = arguments_.quantization->quantizes_weights();
  weights_.fill(quantized ? quantizer_.values() : arguments_.weight->value.data(),
                quantized ? quantizer_.levels() : std::span<const std::int8_t>(), mode == Mode::train);
  if (!multiplies_levels_) return;
  const std::span<const float> scales = quantizer_.scales();
  const auto channels = static_cast<std::size_t>(arguments_.node.output.channels);
  for (std::size_t k = 0; k < multiplier_.size(); ++k) {
    const std::size_t c = k % channels;
    multiplier_[k] = activations_.scale() * scales[scales.size() == 1 ? 0 : c];
    if (arguments_.bias != nullptr) offset_[k] = arguments_.bias->value[c] / multiplier_[k];
  }
}

void ProductLayer::finish_integers(float* y, int samples) const {
  const auto width = std::ssize(multiplier_);
  const std::int64_t values = samples * output_elements_, rows = values / width;
  const auto pass = passes().offset_and_scale;
  pass(y, rows, width, offset_.data(), multiplier_.data());
  if (values % width != 0) pass(y + rows * width, 1, values % width, offset_.data(), multiplier_.data());
}

const void* ProductLayer::bf16_of(const float* values, std::int64_t count, float* room) const {
  passes().to_bf16(values, count, reinterpret_cast<std::uint16_t*>(room));
  return room;
}

/// The integers of the input, as bf16, which holds them exactly.
const void* ProductLayer::bf16_levels(const float* x, int samples, float* room) const {
  const std::int64_t count = samples * input_elements_;
  float* converted = room + scratch(samples, 0).converted_input;
  activations_.quantize(x, count, room);
  const auto convert = activations_.is_signed() ? passes().signed_bytes_to_bf16 : passes().bytes_to_bf16;
  convert(reinterpret_cast<const std::uint8_t*>(room), count, reinterpret_cast<std::uint16_t*>(converted));
  return converted;
}

const void* ProductLayer::real_input(const float* x, int samples, Type type, float* room) const {
  const float* input = x;
  if (activations_.quantizes()) {
    activations_.fake_quantize(x, samples, input_elements_, room);
    input = room;
  }
  if (type == Type::f32) return input;
  return bf16_of(input, samples * input_elements_, room + scratch(samples, 0).converted_input);
}

const void* ProductLayer::forward_input(const float* x, int samples, float* room) const {
  if (!multiplies_levels_) return real_input(x, samples, forward_type_, room);
  if (forward_type_ == Type::bf16) return bf16_levels(x, samples, room);
  activations_.quantize(x, samples * input_elements_, room);
  return room;
}

/// Quantizing the input again is cheaper than keeping the quantized copy in memory since the forward.
const void* ProductLayer::backward_input(const float* x, int samples, float* room) const {
  if (backward_type_ == Type::bf16 && activations_.gives_integers()) return bf16_levels(x, samples, room);
  return real_input(x, samples, backward_type_, room);
}

void ProductLayer::forward(const ForwardPart& part) {
  ForwardCalls& calls = forward_calls(part.samples);
  PrimitiveCall& call = calls.parts[static_cast<std::size_t>(part.part)];
  call.point(DNNL_ARG_SRC, forward_input(part.x[0], part.samples, part.scratch));
  call.point(DNNL_ARG_DST, part.y);
  call.point(DNNL_ARG_SCRATCHPAD, part.scratch + scratch(part.samples, 0).primitive);
  if (arguments_.bias != nullptr && !multiplies_levels_)
    call.point(DNNL_ARG_BIAS, arguments_.bias->value.data());
  call.run();
  if (multiplies_levels_) finish_integers(part.y, part.samples);
}

void ProductLayer::backward(const BackwardPart& part) {
  BackwardCalls& calls = backward_calls(part.samples);
  auto& [by_weights, by_data] = calls.parts[static_cast<std::size_t>(part.part)];
  const Scratch room = scratch(part.samples, 0);
  const void* dy = part.dy;
  if (backward_type_ == Type::bf16)
    dy = bf16_of(part.dy, part.samples * output_elements_, part.scratch + room.converted_gradient);

  by_weights.point(DNNL_ARG_SRC, backward_input(part.x[0], part.samples, part.scratch));
  by_weights.point(DNNL_ARG_DIFF_DST, dy);
  by_weights.point(DNNL_ARG_SCRATCHPAD, part.scratch + room.primitive);
  by_weights.bind(DNNL_ARG_DIFF_WEIGHTS, gradient_.weights_of_piece(part.part, part.first));
  if (arguments_.bias != nullptr)
    by_weights.bind(DNNL_ARG_DIFF_BIAS, gradient_.bias_of_piece(part.part, part.first));
  by_weights.run();
  gradient_.end_piece(part.part, part.first);

  if (part.dx[0] == nullptr) return;
  by_data.point(DNNL_ARG_DIFF_DST, dy);
  by_data.point(DNNL_ARG_DIFF_SRC, part.dx[0]);
  by_data.point(DNNL_ARG_SCRATCHPAD, part.scratch + room.primitive);
  by_data.run();
  if (activations_.quantizes())
    activations_.backward(part.part, part.first, part.x[0], part.samples, input_elements_, part.dx[0]);
}

void ProductLayer::finish_backward(int parts) {
  activations_.finish_backward(parts);
  const bool of_integers = backward_type_ == Type::bf16 && activations_.gives_integers();
  gradient_.reduce(parts, of_integers ? activations_.scale() : 1.0f, *arguments_.weight, arguments_.bias);
  if (arguments_.quantization->quantizes_weights())
    quantizer_.backward(*arguments_.weight, *arguments_.quantization);
}

}  // namespace bitsmith::trainer
