#include "trainer/layers/product_gradient.hpp"

#include "quant/kernels/onednn_choose.hpp"
#include "trainer/kernels/passes.hpp"
#include "trainer/layer.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {
namespace {

float* floats(const dnnl::memory& memory) { return static_cast<float*>(memory.get_data_handle()); }

void add(const dnnl::memory& sum, const dnnl::memory& other) {
  const Activation none;
  const auto count = static_cast<std::int64_t>(sum.get_desc().get_size() / sizeof(float));
  passes().add(floats(sum), floats(other), count, none.low, none.high, floats(sum));
}

}  // namespace

void ProductGradient::reserve(int parts, const dnnl::memory::desc& layout, const dnnl::memory::desc& bias) {
  if (layout != layout_) {
    layout_ = layout;
    parts_.clear();
    plain_sum_ = dnnl::memory(plain_, onednn_engine());
    to_plain_ =
        dnnl::reorder(quant::onednn_choose<dnnl::reorder::primitive_desc>(onednn_view(layout), plain_sum_));
  }
  while (parts_.size() < static_cast<std::size_t>(parts)) {
    OfPart part;
    for (Sums* sums : {&part.total, &part.piece}) {
      sums->weights = dnnl::memory(layout, onednn_engine());
      if (!bias.is_zero()) sums->bias = dnnl::memory(bias, onednn_engine());
    }
    parts_.push_back(std::move(part));
  }
}

const dnnl::memory& ProductGradient::weights_of_piece(int part, bool first) const {
  const OfPart& own = parts_[static_cast<std::size_t>(part)];
  return (first ? own.total : own.piece).weights;
}

const dnnl::memory& ProductGradient::bias_of_piece(int part, bool first) const {
  const OfPart& own = parts_[static_cast<std::size_t>(part)];
  return (first ? own.total : own.piece).bias;
}

void ProductGradient::end_piece(int part, bool first) {
  if (first) return;
  OfPart& own = parts_[static_cast<std::size_t>(part)];
  add(own.total.weights, own.piece.weights);
  if (own.total.bias) add(own.total.bias, own.piece.bias);
}

void ProductGradient::reduce(int parts, float scale, Parameter& weight, Parameter* bias) {
  const Sums& total = parts_.front().total;
  for (int p = 1; p < parts; ++p) add(total.weights, parts_[static_cast<std::size_t>(p)].total.weights);
  to_plain_.execute(onednn_stream(), const_cast<dnnl::memory&>(total.weights), plain_sum_);
  const float* sum = floats(plain_sum_);
  for (std::size_t i = 0; i < weight.gradient.size(); ++i) weight.gradient[i] = sum[i] * scale;
  if (bias == nullptr) return;
  for (std::size_t i = 0; i < bias->gradient.size(); ++i) {
    double value = 0.0;
    for (int p = 0; p < parts; ++p)
      value += static_cast<double>(floats(parts_[static_cast<std::size_t>(p)].total.bias)[i]);
    bias->gradient[i] = static_cast<float>(value);
  }
}

}  // namespace bitsmith::trainer
