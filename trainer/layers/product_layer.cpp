#include "trainer/layers/product_layer.hpp"

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/kernels/passes.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

std::int64_t round_up(std::int64_t floats) { return (floats + 15) / 16 * 16; }

std::int64_t floats_of(const dnnl::memory::desc& desc) {
  return static_cast<std::int64_t>((desc.get_size() + sizeof(float) - 1) / sizeof(float));
}

/// oneDNN reads through the same pointers that it writes through.
void* handle(const float* data) { return const_cast<float*>(data); }

float* floats(const dnnl::memory& memory) { return static_cast<float*>(memory.get_data_handle()); }

}  // namespace

ProductLayer::ProductLayer(const LayerArguments& arguments, dnnl::memory::dims weight_dims,
                           dnnl::memory::format_tag weight_tag)
    : arguments_(arguments),
      plain_weights_(weight_dims, dnnl::memory::data_type::f32, weight_tag),
      input_elements_(arguments.input().elements()) {}

ProductLayer::Sized& ProductLayer::sized(int samples) {
  for (auto& entry : sizes_)
    if (entry->samples == samples) return *entry;
  throw base::InternalError("ProductLayer: a part of a size that was not reserved");
}
const ProductLayer::Sized& ProductLayer::sized(int samples) const {
  return const_cast<ProductLayer*>(this)->sized(samples);
}

const dnnl::memory& ProductLayer::prepared(const dnnl::memory::desc& desc, bool backward) {
  for (Prepared& entry : prepared_)
    if (entry.memory.get_desc() == desc) {
      entry.backward = entry.backward && backward;
      return entry.memory;
    }
  Prepared entry;
  entry.memory = dnnl::memory(desc, onednn_engine());
  entry.source = onednn_view(plain_weights_);
  entry.reorder = dnnl::reorder(entry.source, entry.memory);
  entry.backward = backward;
  prepared_.push_back(std::move(entry));
  return prepared_.back().memory;
}

void ProductLayer::reserve(int parts, std::span<const int> samples, bool backward) {
  for (int count : samples) {
    const auto found = std::ranges::find(sizes_, count, [](const auto& entry) { return entry->samples; });
    const bool known = found != sizes_.end();
    if (!known || (backward && !(*found)->backward)) {
      auto entry = std::make_unique<Sized>();
      entry->samples = count;
      entry->backward = backward;
      entry->primitives = make(count, backward, backward && !arguments_.input_is_image);
      if (known)
        *found = std::move(entry);
      else
        sizes_.push_back(std::move(entry));
    }
    add_calls(sized(count), parts);
  }
  if (!backward) return;
  activations_.reserve(parts);
  if (!plain_gradient_) plain_gradient_ = dnnl::memory(plain_weights_, onednn_engine());
  if (gradients_.size() < static_cast<std::size_t>(parts)) gradients_.resize(static_cast<std::size_t>(parts));
}

void ProductLayer::add_calls(Sized& entry, int parts) {
  const ProductPrimitives& p = entry.primitives;
  const bool bias = arguments_.bias != nullptr;
  while (entry.calls.size() < static_cast<std::size_t>(parts)) {
    Calls calls;
    calls.forward = {{DNNL_ARG_SRC, onednn_view(p.x)},
                     {DNNL_ARG_DST, onednn_view(p.y)},
                     {DNNL_ARG_WEIGHTS, prepared(p.forward_weights, false)},
                     {DNNL_ARG_SCRATCHPAD, onednn_view(p.forward_scratch)}};
    if (bias) calls.forward.emplace(DNNL_ARG_BIAS, onednn_view(p.bias));
    if (p.backward_data)
      calls.backward_data = {{DNNL_ARG_DIFF_DST, onednn_view(p.y)},
                             {DNNL_ARG_DIFF_SRC, onednn_view(p.x)},
                             {DNNL_ARG_WEIGHTS, prepared(p.backward_data_weights, true)},
                             {DNNL_ARG_SCRATCHPAD, onednn_view(p.backward_data_scratch)}};
    if (p.backward_weights) {
      calls.backward_weights = {{DNNL_ARG_SRC, onednn_view(p.x)},
                                {DNNL_ARG_DIFF_DST, onednn_view(p.y)},
                                {DNNL_ARG_SCRATCHPAD, onednn_view(p.backward_weights_scratch)}};
    }
    entry.calls.push_back(std::move(calls));
  }
}

std::int64_t ProductLayer::scratch_floats(int samples, bool backward) const {
  const ProductPrimitives& p = sized(samples).primitives;
  std::int64_t most = floats_of(p.forward_scratch);
  if (backward) {
    if (p.backward_data) most = std::max(most, floats_of(p.backward_data_scratch));
    if (p.backward_weights) most = std::max(most, floats_of(p.backward_weights_scratch));
  }
  return round_up(samples * input_elements_) + round_up(most);
}

void ProductLayer::prepare(Mode mode) {
  const LayerQuantization& quantization = *arguments_.quantization;
  activations_.prepare(quantization);
  const float* weights = arguments_.weight->value.data();
  if (quantization.quantizes_weights()) {
    quantizer_.update(*arguments_.weight, quantization);
    weights = quantizer_.values();
  }
  for (Prepared& entry : prepared_) {
    if (entry.backward && mode != Mode::train) continue;
    entry.source.set_data_handle(handle(weights));
    entry.reorder.execute(onednn_stream(), entry.source, entry.memory);
  }
}

const float* ProductLayer::quantized_input(const float* x, int samples, float* scratch) const {
  if (!activations_.quantizes()) return x;
  activations_.fake_quantize(x, samples, input_elements_, scratch);
  return scratch;
}

void ProductLayer::forward(const ForwardPart& part) {
  Sized& entry = sized(part.samples);
  Arguments& call = entry.calls[static_cast<std::size_t>(part.part)].forward;
  const float* x = quantized_input(part.x[0], part.samples, part.scratch);
  call[DNNL_ARG_SRC].set_data_handle(handle(x));
  call[DNNL_ARG_DST].set_data_handle(part.y);
  call[DNNL_ARG_SCRATCHPAD].set_data_handle(part.scratch + round_up(part.samples * input_elements_));
  if (arguments_.bias != nullptr) call[DNNL_ARG_BIAS].set_data_handle(arguments_.bias->value.data());
  entry.primitives.forward.execute(onednn_stream(), call);
}

void ProductLayer::backward(const BackwardPart& part) {
  Sized& entry = sized(part.samples);
  Calls& calls = entry.calls[static_cast<std::size_t>(part.part)];
  float* scratch = part.scratch + round_up(part.samples * input_elements_);

  // Quantizing the input again is cheaper than keeping the quantized copy in memory since the forward.
  const float* x = quantized_input(part.x[0], part.samples, part.scratch);
  Gradient& gradient = gradients_[static_cast<std::size_t>(part.part)];
  const ProductPrimitives& p = entry.primitives;
  if (!gradient.weights || gradient.weights.get_desc() != p.weights_gradient)
    gradient.weights = dnnl::memory(p.weights_gradient, onednn_engine());
  if (arguments_.bias != nullptr && !gradient.bias) gradient.bias = dnnl::memory(p.bias, onednn_engine());
  gradient.used = true;
  Arguments& by_weights = calls.backward_weights;
  by_weights[DNNL_ARG_SRC].set_data_handle(handle(x));
  by_weights[DNNL_ARG_DIFF_DST].set_data_handle(handle(part.dy));
  by_weights[DNNL_ARG_SCRATCHPAD].set_data_handle(scratch);
  by_weights[DNNL_ARG_DIFF_WEIGHTS] = gradient.weights;
  if (arguments_.bias != nullptr) by_weights[DNNL_ARG_DIFF_BIAS] = gradient.bias;
  p.backward_weights.execute(onednn_stream(), by_weights);

  if (part.dx[0] == nullptr) return;
  Arguments& by_data = calls.backward_data;
  by_data[DNNL_ARG_DIFF_DST].set_data_handle(handle(part.dy));
  by_data[DNNL_ARG_DIFF_SRC].set_data_handle(part.dx[0]);
  by_data[DNNL_ARG_SCRATCHPAD].set_data_handle(scratch);
  p.backward_data.execute(onednn_stream(), by_data);
  if (activations_.quantizes())
    activations_.backward(part.part, true, part.x[0], part.samples, input_elements_, part.dx[0]);
}

void ProductLayer::reduce_weight_gradients(int parts) {
  // Layouts may differ between part sizes; each is summed apart, in order of its first part.
  std::vector<float>& total = arguments_.weight->gradient;
  bool first = true;
  for (int p = 0; p < parts; ++p) {
    Gradient& lead = gradients_[static_cast<std::size_t>(p)];
    if (!lead.used) continue;
    const dnnl::memory::desc desc = lead.weights.get_desc();
    for (int r = p + 1; r < parts; ++r) {
      Gradient& other = gradients_[static_cast<std::size_t>(r)];
      if (!other.used || other.weights.get_desc() != desc) continue;
      const Activation none;
      passes().add(floats(lead.weights), floats(other.weights), floats_of(desc), none.low, none.high,
                   floats(lead.weights));
      other.used = false;
    }
    lead.used = false;
    dnnl::reorder(lead.weights, plain_gradient_).execute(onednn_stream(), lead.weights, plain_gradient_);
    const float* sum = floats(plain_gradient_);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] = first ? sum[i] : total[i] + sum[i];
    first = false;
  }
}

void ProductLayer::finish_backward(int parts) {
  activations_.finish_backward(parts);
  if (arguments_.bias != nullptr) {
    std::vector<float>& total = arguments_.bias->gradient;
    for (std::size_t i = 0; i < total.size(); ++i) {
      double sum = 0.0;
      for (int p = 0; p < parts; ++p)
        sum += static_cast<double>(floats(gradients_[static_cast<std::size_t>(p)].bias)[i]);
      total[i] = static_cast<float>(sum);
    }
  }
  reduce_weight_gradients(parts);
  if (arguments_.quantization->quantizes_weights())
    quantizer_.backward(*arguments_.weight, *arguments_.quantization);
}

}  // namespace bitsmith::trainer
