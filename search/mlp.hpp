#pragma once

#include <span>
#include <vector>

#include "quant/base/random.hpp"

namespace bitsmith::search {

/// A small fully connected network, [in] -> ReLU -> ... -> [out], with exact gradients. All memory is taken
/// at construction. Parameters and their gradients are one flat array each (per layer: weights [out][in],
/// then biases), so that optimisers and target networks need not know the shape. Not thread-safe; every
/// product runs on the calling thread, so results do not depend on the number of threads.
class Mlp {
 public:
  enum class Output { linear, sigmoid };

  /// `sizes`: inputs, hidden units ..., outputs (at least two, all >= 1).
  Mlp(std::vector<int> sizes, Output output, int max_batch);

  /// Weights and biases uniform in +-1/sqrt(fan-in), in +-0.003 in the last layer, so that it begins near 0
  /// (Lillicrap et al. 2016, section 7).
  void initialise(base::Rng& rng);

  std::span<float> parameters() { return parameters_; }
  std::span<const float> parameters() const { return parameters_; }
  std::span<const float> gradient() const { return gradient_; }

  int inputs() const { return sizes_.front(); }
  int outputs() const { return sizes_.back(); }

  /// inputs [batch][in] -> [batch][out], valid until the next call. Keeps what backward needs.
  std::span<const float> forward(std::span<const float> inputs, int batch);

  enum class Wanted { parameters, inputs };
  /// From the loss gradient with respect to the last forward's outputs, [batch][out]: the gradient summed
  /// over the batch in gradient() (Wanted::parameters), or the one with respect to the inputs, [batch][in],
  /// as the result (Wanted::inputs; gradient() is left alone). The span is valid until the next call.
  std::span<const float> backward(std::span<const float> output_gradient, Wanted wanted);

 private:
  struct Layer {
    int in, out;
    std::size_t weights, biases;  // offsets in parameters_
  };
  std::vector<int> sizes_;
  std::vector<Layer> layers_;
  Output output_;
  int max_batch_, batch_ = 0;
  std::vector<float> parameters_, gradient_;
  std::vector<std::vector<float>>
      values_;                        // [0] the inputs, [l + 1] the outputs of layer l, after its activation
  std::vector<float> upper_, lower_;  // gradients on their way down
};

}  // namespace bitsmith::search
