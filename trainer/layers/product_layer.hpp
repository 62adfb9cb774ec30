#pragma once

#include <dnnl.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "trainer/layer.hpp"
#include "trainer/layers/activation_quantizer.hpp"
#include "trainer/layers/weight_quantizer.hpp"

namespace bitsmith::trainer {

/// oneDNN's primitives for one number of samples. Activations are plain (N, H, W, C or N, C); weights and
/// their gradients have whatever layout oneDNN asks for.
struct ProductPrimitives {
  dnnl::primitive forward, backward_data, backward_weights;  ///< the last two only where asked for
  dnnl::memory::desc x, y, bias;                             ///< bias: empty without one
  dnnl::memory::desc forward_weights, backward_data_weights, weights_gradient;
  dnnl::memory::desc forward_scratch, backward_data_scratch, backward_weights_scratch;
};

/// What convolution and linear share: a product of an input with weights, plus bias, through oneDNN. Input
/// and weights are fake-quantized on the way where the layer's quantization says so; backward passes
/// gradients straight through where the rounded integer is in range.
class ProductLayer : public Layer {
 public:
  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int samples, bool backward) const override;
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes; }

  void prepare(Mode mode) override;
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;
  void finish_backward(int parts) override;

 protected:
  ProductLayer(const LayerArguments& arguments, dnnl::memory::dims weight_dims,
               dnnl::memory::format_tag weight_tag);

  virtual ProductPrimitives make(int samples, bool backward, bool input_gradient) const = 0;

  const LayerArguments arguments_;
  const dnnl::memory::desc plain_weights_;  ///< the Parameter's own layout

 private:
  using Arguments = std::unordered_map<int, dnnl::memory>;
  /// One part's calls for one number of samples; data handles are set before each.
  struct Calls {
    Arguments forward, backward_data, backward_weights;
  };
  struct Sized {
    int samples = 0;
    bool backward = false;
    ProductPrimitives primitives;
    std::vector<Calls> calls;  ///< per part
  };
  /// Weights in a layout that some primitive wants.
  struct Prepared {
    dnnl::memory memory, source;
    dnnl::reorder reorder;
    bool backward = false;
  };
  /// What a part adds to the gradients.
  struct Gradient {
    dnnl::memory weights, bias;
    bool used = false;
  };

  Sized& sized(int samples);
  const Sized& sized(int samples) const;
  void add_calls(Sized& entry, int parts);
  const dnnl::memory& prepared(const dnnl::memory::desc& desc, bool backward);
  const float* quantized_input(const float* x, int samples, float* scratch) const;
  void reduce_weight_gradients(int parts);

  const std::int64_t input_elements_;
  ActivationQuantizer activations_;
  WeightQuantizer quantizer_;
  std::vector<std::unique_ptr<Sized>> sizes_;
  std::vector<Prepared> prepared_;
  std::vector<Gradient> gradients_;  ///< per part
  dnnl::memory plain_gradient_;
};

}  // namespace bitsmith::trainer
