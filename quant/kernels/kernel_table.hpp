#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/random.hpp"
#include "quant/network_info.hpp"
#include "quant/plan.hpp"
#include "quant/policy.hpp"

namespace bitsmith::quant {

/// The numbers of one layer, as every kernel of it takes them. For output channel c, with acc the sum of
/// products of what lies in memory (integers for quantized operands, floats else):
///
///     y = clamp((acc + offset) * multiplier[c], low, high),   offset = bias[c] / multiplier[c]
///
/// computed in fp32 in just this order by kernels on integers, where acc is an exact int32 converted to fp32,
/// and rounded half to even when the output is u8 or s8. Kernels on floats may fold the multiplier into the
/// weights. Where the quotient is not finite (a batch norm with gamma = 0) the channel is constant: acc = 0,
/// y = bias[c]. `multiplier`, `bias`, `low` and `high` are in output units: real for f32, steps of the output
/// scale for u8 and s8.
struct LayerNumbers {
  std::vector<std::int8_t> weights;  ///< weights at 1 (-1, +1) or 2..8 bits: O,I/groups,H,W (linear: O,I)
  std::vector<float> float_weights;  ///< weights at kFloatBits, same order
  std::vector<float> multiplier;     ///< [output channels]
  std::vector<float> bias;           ///< [output channels]
  float low =
      -std::numeric_limits<float>::infinity();  ///< 0 after ReLU; the output range's ends for u8 and s8
  float high = std::numeric_limits<float>::infinity();
};

/// Uniform weights over the whole range, multipliers that spread the outputs over theirs: for measuring and
/// testing.
LayerNumbers random_numbers(const LayerInfo& layer, LayerBits bits, Storage to, base::Rng& rng);
/// The same for a plan's step, with the bounds that its ReLU and its reader's bits put on the output.
LayerNumbers random_numbers(const NetworkInfo& network, const Step& step, base::Rng& rng);

/// A layer ready to run: owns packed weights and scratch. One thread at a time; a run allocates nothing.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  /// `in`: batch images of N,H,W,C in storage `from`; `out`: likewise in storage `to`. They must not overlap.
  virtual void run(const void* in, void* out) = 0;
  virtual std::int64_t weight_bytes() const = 0;  ///< that a run reads
};

/// Inclusive; kFloatBits..kFloatBits is fp32.
struct BitRange {
  int low = 0, high = 0;
  bool contains(int bits) const { return bits >= low && bits <= high; }
};

/// Packs a layer's numbers and gets it ready to run.
using MakeKernel = std::unique_ptr<PreparedKernel>(const LayerInfo& layer, LayerBits bits, Storage from,
                                                   Storage to, int batch, const LayerNumbers& numbers);

/// One implementation of layers. To add one: a file pair with a prepare function, and a row in
/// kernel_table.cpp; tests and the profiler loop over the rows.
struct KernelRow {
  std::string_view name;         ///< "onednn_int8"; unique, stored in latency tables
  std::string_view arithmetic;   ///< "u8/s8 * s8 -> s32"
  std::optional<base::Isa> isa;  ///< of our own kernels; none: the library picks
  BitRange weight_bits, activation_bits;
  bool conv, depthwise, linear;
  bool integer_output;  ///< can write u8 and s8 besides f32
  /// Shapes and sizes beyond the above that it cannot do; null: none.
  bool (*refuses)(const LayerInfo& layer, LayerBits bits, Storage from);
  MakeKernel* make;

  /// Whether it can compute the layer at all on a CPU with its instruction set.
  bool capable(const LayerInfo& layer, LayerBits bits, Storage from, Storage to) const;
  /// Whether it is a choice here: capable, and written for base::selected_isa() where it is one of our own.
  bool serves(const LayerInfo& layer, LayerBits bits, Storage from, Storage to) const;
  /// InternalError if not capable, if the CPU lacks the instruction set or if `numbers` has wrong sizes.
  std::unique_ptr<PreparedKernel> prepare(const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
                                          int batch, const LayerNumbers& numbers) const;
};

/// All rows; of two that serve the same layer the first is the better guess where nothing was measured.
std::span<const KernelRow> kernel_rows();
const KernelRow* find_kernel_row(std::string_view name);  ///< nullptr if there is none
/// The row by that name, if base::selected_isa() is its instruction set; else the same kernel in that one, or
/// the first that serves the layer: all integer rows give the same bits. nullptr for unknown names, and if
/// none serves.
const KernelRow* find_kernel_row_here(std::string_view name, const LayerInfo& layer, LayerBits bits,
                                      Storage from, Storage to);

/// The storage in which a layer at these bits reads its input: f32 for kFloatBits, else s8 or u8 by the
/// input's sign.
Storage input_storage(const LayerInfo& layer, LayerBits bits);

std::int64_t storage_bytes(Storage storage);  ///< of one element

/// The oracle: plain loops, int32 accumulators (double for floats), the formula above. `in` and `out` as in
/// run().
void reference_layer(const LayerInfo& layer, LayerBits bits, Storage from, Storage to, int batch,
                     const LayerNumbers& numbers, const void* in, void* out);

}  // namespace bitsmith::quant
