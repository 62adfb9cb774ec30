#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/tied_layers.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// Keeps the learned numbers of a network's layers at the end of its parameters and buffers, in the order of
/// the layers. Layers that read the same tensor at the same bits by the same method share those of their
/// input, under the name of the first: integers that are made once have one scale.
class LearnedNumbers {
 public:
  /// Before anything points into the vectors: makes room for all that will ever be added, so that what the
  /// layers of the network point to never moves. All arguments must outlive it.
  LearnedNumbers(const quant::NetworkInfo& info, std::vector<Parameter>& parameters,
                 std::vector<Buffer>& buffers, std::vector<LayerQuantization>& quantization);

  /// Parameters and buffers that belong to the network itself.
  std::size_t own_parameters() const { return own_parameters_; }
  std::size_t own_buffers() const { return own_buffers_; }

  /// After quantization[layer] has changed: its numbers anew, from the present weights and activation_scale;
  /// those of other layers stay.
  void renew(int layer);
  /// All as another network of the same description has them.
  void copy(const std::vector<Parameter>& parameters, const std::vector<Buffer>& buffers);

  /// Back to where the methods keep their numbers and weights; before a training step's forward.
  void project();
  /// After a backward pass: gradients of inputs' numbers, summed over the layers that share them; and of
  /// shared parameters and the numbers of shared weights, so that their copies stay equal.
  void reduce_gradients();

 private:
  /// The first layer that has the same input, or `layer` itself.
  int leader(int layer) const;
  Parameter& weight(int layer);
  std::string name(int layer, const char* suffix) const;
  void link();
  void sum_gradients_of_shared_parameters();

  const quant::NetworkInfo& info_;
  std::vector<Parameter>& parameters_;
  std::vector<Buffer>& buffers_;
  std::vector<LayerQuantization>& quantization_;
  std::size_t own_parameters_, own_buffers_;
  std::vector<int> source_;                       ///< per layer: the node that it reads, past flattening
  std::vector<int> norm_;                         ///< per layer: the batch norm that alone reads it, or -1
  std::vector<std::size_t> weight_;               ///< per layer: its weights' place among the parameters
  std::vector<InputGradient> gradients_;          ///< per layer
  std::vector<std::vector<std::size_t>> shared_;  ///< groups of parameters that are one
  std::vector<quant::TiedLayers> layers_of_one_weight_;
};

/// Whether a layer's input scale cannot be learned: it reads the images, whose gradient nobody computes, or
/// (at 8 bits) integers of a quantize node, whose scale is the node's.
bool has_given_input_scale(const quant::NetworkInfo& info, int layer, int bits);
/// The quantize node, by number, whose integers a layer reads, directly or through max pooling and
/// flattening; -1 if there is none.
int tensor_read_by(const quant::NetworkInfo& info, const quant::LayerInfo& layer);

}  // namespace bitsmith::trainer
