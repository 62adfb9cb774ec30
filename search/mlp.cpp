#include "search/mlp.hpp"

#include <dnnl.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::search {
namespace {

constexpr double kLastLayerRange = 3e-3;

/// Row-major C[m][n] = op(A) op(B) + beta C, where op transposes if told so.
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, int lda,
              const float* b, int ldb, float beta, float* c, int ldc) {
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a,
                                          lda, b, ldb, beta, c, ldc);
  base::require(status == dnnl_success, "a matrix product of an agent's network failed");
}

// parallel_for promises oneDNN's product one thread: a product split over threads would round differently.
template <typename Body>
void on_one_thread(Body&& body) {
  base::parallel_for(1, [&](int) { body(); });
}

}  // namespace

Mlp::Mlp(std::vector<int> sizes, Output output, int max_batch)
    : sizes_(std::move(sizes)), output_(output), max_batch_(max_batch) {
  base::require(sizes_.size() >= 2 && max_batch >= 1, "an Mlp needs inputs, outputs and a batch");
  base::require(std::ranges::all_of(sizes_, [](int size) { return size >= 1; }), "an Mlp layer has no units");
  const auto rows = static_cast<std::size_t>(max_batch);
  std::size_t offset = 0;
  values_.emplace_back(rows * static_cast<std::size_t>(sizes_[0]));
  for (std::size_t l = 0; l + 1 < sizes_.size(); ++l) {
    const auto in = static_cast<std::size_t>(sizes_[l]), out = static_cast<std::size_t>(sizes_[l + 1]);
    layers_.push_back({sizes_[l], sizes_[l + 1], offset, offset + in * out});
    offset += in * out + out;
    values_.emplace_back(rows * out);
  }
  parameters_.assign(offset, 0.0f);
  gradient_.assign(offset, 0.0f);
  const auto widest = static_cast<std::size_t>(*std::ranges::max_element(sizes_));
  upper_.resize(rows * widest);
  lower_.resize(rows * widest);
}

void Mlp::initialise(base::Rng& rng) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const double range = l + 1 == layers_.size() ? kLastLayerRange : 1.0 / std::sqrt(layer.in);
    const std::size_t end = layer.biases + static_cast<std::size_t>(layer.out);
    for (std::size_t i = layer.weights; i < end; ++i)
      parameters_[i] = static_cast<float>(rng.uniform(-range, range));
  }
}

std::span<const float> Mlp::forward(std::span<const float> inputs, int batch) {
  base::require(batch >= 1 && batch <= max_batch_, "Mlp::forward: batch out of range");
  base::require(inputs.size() == static_cast<std::size_t>(batch) * static_cast<std::size_t>(sizes_[0]),
                "Mlp::forward: inputs of another size");
  batch_ = batch;
  std::ranges::copy(inputs, values_[0].begin());
  on_one_thread([&] {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      float* out = values_[l + 1].data();
      for (int row = 0; row < batch; ++row) {
        std::copy_n(&parameters_[layer.biases], layer.out, out + std::ptrdiff_t{row} * layer.out);
      }
      multiply(false, true, batch, layer.out, layer.in, values_[l].data(), layer.in,
               &parameters_[layer.weights], layer.in, 1.0f, out, layer.out);
      const std::span<float> values(out,
                                    static_cast<std::size_t>(batch) * static_cast<std::size_t>(layer.out));
      if (l + 1 < layers_.size()) {
        for (float& value : values) value = std::max(value, 0.0f);
      } else if (output_ == Output::sigmoid) {
        for (float& value : values) value = 1.0f / (1.0f + std::exp(-value));
      }
    }
  });
  return {values_.back().data(), static_cast<std::size_t>(batch) * static_cast<std::size_t>(outputs())};
}

std::span<const float> Mlp::backward(std::span<const float> output_gradient, Wanted wanted) {
  base::require(batch_ > 0, "Mlp::backward before forward");
  const auto rows = static_cast<std::size_t>(batch_);
  base::require(output_gradient.size() == rows * static_cast<std::size_t>(outputs()),
                "Mlp::backward: gradient of another size");
  std::ranges::copy(output_gradient, upper_.begin());
  if (output_ == Output::sigmoid) {
    for (std::size_t i = 0; i < output_gradient.size(); ++i) {
      const float value = values_.back()[i];
      upper_[i] *= value * (1.0f - value);
    }
  }
  on_one_thread([&] {
    for (std::size_t l = layers_.size(); l-- > 0;) {
      const Layer& layer = layers_[l];
      if (wanted == Wanted::parameters) {
        multiply(true, false, layer.out, layer.in, batch_, upper_.data(), layer.out, values_[l].data(),
                 layer.in, 0.0f, &gradient_[layer.weights], layer.in);
        float* bias = &gradient_[layer.biases];
        std::fill_n(bias, layer.out, 0.0f);
        for (std::size_t row = 0; row < rows; ++row) {
          const float* gradient = &upper_[row * static_cast<std::size_t>(layer.out)];
          for (int o = 0; o < layer.out; ++o) bias[o] += gradient[o];
        }
        if (l == 0) return;
      }
      multiply(false, false, batch_, layer.in, layer.out, upper_.data(), layer.out,
               &parameters_[layer.weights], layer.in, 0.0f, lower_.data(), layer.in);
      const std::size_t count = rows * static_cast<std::size_t>(layer.in);
      if (l > 0) {
        for (std::size_t i = 0; i < count; ++i) lower_[i] = values_[l][i] > 0.0f ? lower_[i] : 0.0f;
      }
      std::swap(upper_, lower_);
    }
  });
  return wanted == Wanted::inputs
             ? std::span<const float>(upper_.data(), rows * static_cast<std::size_t>(inputs()))
             : std::span<const float>();
}

}  // namespace bitsmith::search
