#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/arithmetic.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/mode.hpp"
#include "trainer/parameters.hpp"
#include "trainer/quantized_weights.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Sees `count` consecutive input values of what quantizes its input, before it does: the layers of
/// NetworkInfo::layers, and after these, counting on, those of NetworkInfo::quantize_nodes().
using InputObserver = std::function<void(int index, const float* values, std::int64_t count)>;

/// A network that can be run and trained: description, numbers, and the memory to compute in.
///
/// Protocol: `(forward(train) backward? | forward(evaluate | recalibrate))*`, one thread at a time;
/// parameters() and buffers() may be changed between calls. A batch is cut into `shards` parts that run in
/// parallel; batch statistics and gradients are reduced over them in order, so results depend on `shards` and
/// never on the number of threads.
class Network {
 public:
  /// Fresh weights (see make_parameters). Throws UserError for graphs it cannot run (names the node).
  Network(quant::NetworkInfo info, std::uint64_t seed, int shards = 4);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  /// Same description, numbers and quantization, memory of its own: for another thread.
  Network clone() const;
  /// Parameter values, buffers, quantization and its learned numbers, of a network with the same description.
  void copy_state_from(const Network& other);

  const quant::NetworkInfo& info() const;
  int shards() const;
  /// Takes effect from the next forward.
  void set_shards(int shards);

  /// What products are computed in, from the next forward on; fp32 at first.
  void set_arithmetic(Arithmetic arithmetic);
  Arithmetic arithmetic() const;

  std::vector<Parameter>& parameters();
  const std::vector<Parameter>& parameters() const;
  std::vector<Buffer>& buffers();
  const std::vector<Buffer>& buffers() const;
  /// nullptr where no such name exists.
  Parameter* find_parameter(std::string_view name);
  const Parameter* find_parameter(std::string_view name) const;
  Buffer* find_buffer(std::string_view name);
  const Buffer* find_buffer(std::string_view name) const;

  /// `layer` is an index in info().layers. Methods that learn numbers (trainer/qat/README.md) add them at the
  /// end of parameters() and buffers(), and start them anew at each call, from the present weights and
  /// activation_scale. Throws UserError for bits, scales or clip ratios that are out of range, and for
  /// methods that do not serve the layer.
  void set_quantization(int layer, LayerQuantization quantization);
  /// Whether training uses batch norms' running statistics and leaves them alone; not, at first.
  void freeze_batch_norms(bool frozen);
  /// Whether training moves the ranges of the inputs that observe theirs; not, at first.
  void observe_inputs(bool observing);
  /// How many of parameters(), and of buffers(), are the network's own; learned numbers come after these.
  std::size_t own_parameters() const;
  std::size_t own_buffers() const;
  const LayerQuantization& quantization(int layer) const;
  /// A layer's weights as its next forward will multiply them, in the form that its kernel takes. Throws
  /// UserError if a weight is not finite.
  QuantizedWeights quantized_weights(int layer) const;

  /// Logits (batch x classes), valid until the next forward. Throws UserError if the images' shape is not the
  /// network's input, the batch is empty, or (train, recalibrate) a batch norm would see a single value per
  /// channel.
  const Tensor& forward(const Tensor& images, Mode mode);
  /// forward(evaluate) that also shows every layer's input, shard by shard in order, on the calling thread.
  const Tensor& forward_observed(const Tensor& images, const InputObserver& observer);
  /// Fills every Parameter::gradient from the gradient of the loss with respect to the logits of the last
  /// forward(train), whose `images` must still be alive and unchanged.
  void backward(const Tensor& logits_gradient);

  /// Puts learned numbers back to where their methods keep them, as every forward(train) does: after the last
  /// step of a training.
  void project_learned_numbers();

  /// Starts the cumulative mean that forward(recalibrate) continues: running statistics as if never updated.
  void reset_running_statistics();

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace bitsmith::trainer
