#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/arithmetic.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/mode.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// What a layer does to its result on the way out: nothing, or a ReLU / ReLU6 that followed it in the graph.
struct Activation {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  static Activation relu() { return {0.0f, std::numeric_limits<float>::infinity()}; }
  static Activation relu6() { return {0.0f, 6.0f}; }
  bool none() const { return low == -std::numeric_limits<float>::infinity(); }
};

/// Some consecutive samples of a batch on their way through a layer; pointers are to the first of them. A
/// part comes in one or several such pieces, in order; parts with different indices may be worked on at the
/// same time.
struct ForwardPart {
  int part = 0;
  int samples = 0;
  bool first = true;  ///< the part's first piece: sums start anew
  Mode mode = Mode::train;
  const float* x[2] = {};    ///< the second: add, matmul
  float* y = nullptr;        ///< may be x[0] where forward_in_place() says so
  float* scratch = nullptr;  ///< scratch_floats() of them, 64-byte aligned, of this part alone
};
struct BackwardPart {
  int part = 0;
  int samples = 0;
  bool first = true;         ///< likewise
  const float* x[2] = {};    ///< only where keeps().input
  const float* y = nullptr;  ///< only where keeps().output
  const float* dy = nullptr;
  float* dx[2] = {};  ///< overwritten; nullptr: not wanted. dx[0] may be dy for in_place styles
  float* scratch = nullptr;
};

/// What backward reads of the forward's tensors.
struct Keeps {
  bool input = false, output = false;
};

/// How the input gradients relate to dy's memory.
enum class GradientStyle {
  writes,        ///< dx is other memory than dy
  in_place,      ///< dx may be dy; with several inputs, all have the same gradient, dx[0]
  pass_through,  ///< the gradient of every input is dy itself: backward is not called
  writes_each    ///< every input has a gradient of its own, dx[k], in other memory than dy
};

/// One layer of a network at work. The calls, for a forward and a backward pass over a batch cut into parts:
/// `reserve prepare (gather* reduce)? forward* ((gather_backward* reduce_backward)? backward*
/// finish_backward)?` where `*` runs over the parts, in parallel, and over the pieces of each, in order; a
/// phase in (...)? is there if gathers... says so. reserve, prepare, reduce and finish_backward of different
/// layers may run in parallel, those of one layer never.
class Layer {
 public:
  virtual ~Layer() = default;

  /// Makes ready for parts 0..parts-1 in pieces whose sizes are among `samples`; allocates, so that no other
  /// phase does.
  virtual void reserve(int parts, std::span<const int> samples, bool backward) = 0;
  virtual std::int64_t scratch_floats(int samples, bool backward) const = 0;
  virtual Keeps keeps() const = 0;
  virtual bool forward_in_place() const = 0;
  virtual GradientStyle gradient_style() const = 0;

  /// Whether forward is so cheap that backward rather calls it again than keep the output in memory. It may
  /// be called so until the next prepare, with the same result, and reads only what keeps() names.
  virtual bool recomputes() const { return false; }

  virtual void forward(const ForwardPart& part) = 0;
  virtual void backward(const BackwardPart& part) = 0;

  /// Layers with weights: once before and once after all parts.
  virtual void prepare(Mode) {}
  virtual void finish_backward(int /*parts*/) {}

  /// Layers that mix the samples of a batch (batch norm): a look at all parts before any is computed.
  virtual bool gathers(Mode) const { return false; }
  virtual void gather(const ForwardPart&) {}
  virtual void reduce(int /*parts*/, Mode) {}
  virtual bool gathers_backward() const { return false; }
  virtual void gather_backward(const BackwardPart&) {}
  virtual void reduce_backward(int /*parts*/) {}
  /// The next recalibrating pass starts a new mean of statistics.
  virtual void restart_running_statistics() {}
  /// Whether training uses running statistics as if they were the batch's, and leaves them alone.
  virtual void freeze_statistics(bool /*frozen*/) {}
};

/// What a layer is made from. Everything referred to outlives the layer.
struct LayerArguments {
  const quant::NetworkInfo& info;
  const quant::Node& node;
  Activation activation = {};   ///< fused into batch_norm and add; none otherwise
  Parameter* weight = nullptr;  ///< conv, linear, position; gamma of batch_norm and layer_norm
  Parameter* bias = nullptr;    ///< where present; beta of batch_norm and layer_norm
  Buffer* running_mean = nullptr;
  Buffer* running_var = nullptr;
  Buffer* scale = nullptr;                          ///< quantize
  const LayerQuantization* quantization = nullptr;  ///< conv, linear
  const Arithmetic* arithmetic = nullptr;           ///< conv, linear; nullptr: fp32
  bool input_is_image = false;                      ///< no input gradient is ever wanted

  const quant::Shape& input() const { return info.nodes[static_cast<std::size_t>(node.inputs[0])].output; }
};

/// A row of the table of layers: which operation it computes, and how to make one.
struct LayerRow {
  quant::Op op;
  bool fuses_activation;  ///< a ReLU or ReLU6 that is its only reader becomes part of it
  std::unique_ptr<Layer> (*make)(const LayerArguments&);
};
std::span<const LayerRow> layer_table();
const LayerRow& layer_row(quant::Op op);

}  // namespace bitsmith::trainer
