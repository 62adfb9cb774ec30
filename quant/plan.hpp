#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/options.hpp"
#include "quant/policy.hpp"

namespace bitsmith::quant {

/// How an activation lies in memory between two steps. u8 and s8 hold 1..8-bit integers, one to a byte.
enum class Storage { f32, u8, s8 };
std::string_view storage_name(Storage storage);

enum class StepKind {
  layer,     ///< a kernel call: convolution or matrix product, with bias, batch norm's scale, ReLU and output
             ///< conversion fused
  quantize,  ///< to u8/s8 at the scale of the layer that reads it or of a quantize node; from these to f32
  batch_norm,
  relu,  ///< those that could not be fused into a layer (ReLU and ReLU6 alike)
  add,   ///< residual addition, with a following ReLU fused
  max_pool,
  average_pool,
  global_average_pool,
  flatten,  ///< of several pixels and channels: from row, column, channel to channel, row, column
  layer_norm,
  gelu,
  softmax,
  matmul,    ///< of integers, exactly, where both operands are integers, else of f32
  position,  ///< adds a number for every pixel and channel
  function,
  prelu,
  multiply,
  concat,
  slice,
  shuffle,
  pad,
  resize
};
std::string_view step_kind_name(StepKind kind);
/// Whether its kernel may write over its first input, where elements have one size: it reads what it has
/// written nowhere.
bool runs_in_place(StepKind kind);

/// One call. `shape_key()` and `kernel` tell all that its price depends on, so that equal steps are measured
/// once.
struct Step {
  static constexpr int kNetworkInput = -1, kNothing = -2;

  StepKind kind = StepKind::layer;
  int node = 0;    ///< the network's node that this step computes (for quantize: whose output it converts)
  int layer = -1;  ///< kind == layer: index in NetworkInfo::layers
  LayerBits bits;  ///< kind == layer: as its kernel sees them (kernel_bits)
  std::string kernel;  ///< kind == layer: the row of the kernel table that serves it; empty: not chosen yet
  Shape input, output;
  Shape second_input;                     ///< matmul, multiply, concat
  int groups = 1;                         ///< softmax, matmul: heads; shuffle
  bool transpose = false;                 ///< matmul
  Window window;                          ///< pooling, pad, resize
  bool counts_padding = false;            ///< average_pool
  Function function = Function::sigmoid;  ///< function
  int begin = 0;                          ///< slice
  Storage from = Storage::f32, to = Storage::f32;
  Storage second_from = Storage::f32;  ///< of the other operand, where there are two
  bool fused_relu = false;
  /// kind == layer, to == u8: the reader has fewer than 8 bits, and so the output must be clamped; at 8 bits
  /// the conversion saturates by itself. Some kernels pay for it.
  bool clamped = false;

  /// kind == layer: bits of the integers that its kernel makes of floats at scales found as they come
  /// (quant/kernels/dynamic_layer); 0: its input comes as it is multiplied.
  int dynamic_bits = 0;

  int first = kNetworkInput;  ///< the step whose output this one reads
  int second = kNothing;      ///< the step that gives the other operand, or kNetworkInput
  int batch_norm = -1;        ///< kind == layer: the node of the batch norm fused into it, or -1
  int activation = -1;        ///< fused_relu: the node of the ReLU or ReLU6
  int scale_of = -1;  ///< to != f32: the layer whose input quantizer (bits, scale) the output is for, ...
  int tensor = -1;    ///< ... or else the quantize node whose 8-bit integers it is
  int result = 0;     ///< the last node fused into this step: whose value the output is

  /// Without the kernel, e.g. "conv 16x32x32 -> 32x16x16 k3x3 s2 p1 g1 u8 -> f32" or "add 16x32x32 f32 ->
  /// f32".
  std::string shape_key(const NetworkInfo& network) const;
};

/// What a network and a policy lower to: what is priced, and what later runs.
struct Plan {
  const NetworkInfo* network = nullptr;  ///< must outlive the plan
  Policy policy;
  std::vector<Step> steps;  ///< in execution order
};

/// Names the kernel that shall serve a layer's step: its bits, storages and `clamped` are known, the kernel
/// is not. Never returns empty for bits that validate_policy accepts.
class KernelChooser {
 public:
  virtual ~KernelChooser() = default;
  virtual std::string choose(const LayerInfo& layer, const Step& step) const = 0;
};

/// The first row of the kernel table that can serve the layer: for models that do not measure.
const KernelChooser& first_capable_kernel();

/// Lowers: batch norm and ReLU after a layer are fused into it; a layer, an add, an average pooling or a step
/// of a transformer whose only reader is a quantized layer or a quantize node writes those integers
/// directly; other tensors stay
/// f32, and are quantized once per distinct (bits, scale) reader. A layer with 8-bit activations reads a
/// quantize node's integers as they are, one with fewer bits has them quantized again. Where a policy leaves
/// everything in fp32, quantize nodes do nothing. This is exactly the arithmetic that quantization-aware
/// training simulates.
///
/// With dynamic scales every quantized layer reads floats, finds their scale and gives floats. Throws
/// UserError for networks with quantize nodes then: their scales are fixed.
Plan lower(const NetworkInfo& network, const Policy& policy,
           const KernelChooser& chooser = first_capable_kernel(),
           ActivationScales scales = ActivationScales::fixed);

}  // namespace bitsmith::quant
