#pragma once

#include <memory>
#include <vector>

#include "trainer/layer.hpp"
#include "trainer/layers/activation_quantizer.hpp"
#include "trainer/layers/prepared_weights.hpp"
#include "trainer/layers/primitive_call.hpp"
#include "trainer/layers/product_gradient.hpp"
#include "trainer/layers/product_primitives.hpp"
#include "trainer/layers/weight_quantizer.hpp"

namespace bitsmith::trainer {

/// What convolution and linear share: a product of an input with weights, plus bias, through oneDNN, in the
/// arithmetic that the network asks for. Input and weights are quantized on the way where the layer's
/// quantization says so: as integers for the integer forward, else as real numbers on the same levels.
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
  using Type = dnnl::memory::data_type;

  ProductLayer(const LayerArguments& arguments, dnnl::memory::dims weight_dims,
               dnnl::memory::format_tag weight_tag);

  /// `input`: f32, bf16, u8 or s8. `adds_bias`: where the layer has one.
  virtual ForwardProduct make_forward(int samples, Type input, bool adds_bias) const = 0;
  /// `operands`: f32 or bf16. `weights_gradient`: its layout, where an earlier call has decided that; else
  /// empty.
  virtual BackwardProduct make_backward(int samples, Type operands,
                                        const dnnl::memory::desc& weights_gradient) const = 0;
  /// Products without sums over many channels are as fast in fp32.
  virtual bool gains_from_bf16() const { return true; }

  const LayerArguments arguments_;
  const dnnl::memory::desc plain_weights_;  ///< the Parameter's own layout

 private:
  struct ForwardCalls {
    int samples = 0;
    Type input = Type::undef;
    bool levels = false;
    ForwardProduct product;
    std::vector<PrimitiveCall> parts;
  };
  struct BackwardCalls {
    int samples = 0;
    Type operands = Type::undef;
    BackwardProduct product;
    struct Part {
      PrimitiveCall by_weights, by_data;
    };
    std::vector<Part> parts;
  };
  /// Where things lie in a part's scratch memory, in floats.
  struct Scratch {
    std::int64_t input, converted_input, converted_gradient, primitive, end;
  };

  bool in_bf16(bool wanted) const;
  void quantize_weights();
  void choose_types();
  ForwardCalls& forward_calls(int samples);
  BackwardCalls& backward_calls(int samples);
  void reserve_forward(int parts, int samples);
  void reserve_backward(int parts, int samples);
  Scratch scratch(int samples, std::int64_t primitive_floats) const;
  const void* forward_input(const float* x, int samples, float* scratch) const;
  const void* bf16_levels(const float* x, int samples, float* scratch) const;
  const void* real_input(const float* x, int samples, Type type, float* scratch) const;
  const void* backward_input(const float* x, int samples, float* scratch) const;
  void finish_integers(float* y, int samples) const;
  const void* bf16_of(const float* values, std::int64_t count, float* room) const;

  const std::int64_t input_elements_, output_elements_;
  ActivationQuantizer activations_;
  WeightQuantizer quantizer_;
  Type forward_type_ = Type::f32, backward_type_ = Type::f32;
  /// Whether forward multiplies integers, in bytes or in bf16, and scales their sums.
  bool multiplies_levels_ = false;
  std::vector<std::unique_ptr<ForwardCalls>> forward_;
  std::vector<std::unique_ptr<BackwardCalls>> backward_;
  PreparedWeights weights_;
  ProductGradient gradient_;
  /// Of products of integers, as deployed: y = (sum + offset) * multiplier, per output channel, repeated to
  /// the width that passes see.
  std::vector<float> multiplier_, offset_;
};

}  // namespace bitsmith::trainer
