#include "quant/kernels/kernel_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "quant/base/error.hpp"
#include "quant/kernels/bit_serial_layer.hpp"
#include "quant/kernels/depthwise_layer.hpp"
#include "quant/kernels/direct_layer.hpp"
#include "quant/kernels/onednn_layer.hpp"
#include "quant/kernels/packed_layer.hpp"
#include "quant/kernels/weight_only_layer.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {
namespace {

using base::Isa;

constexpr BitRange kFp32{kFloatBits, kFloatBits};
constexpr BitRange kUpTo8{1, 8}, kUpTo4{1, 4}, kUpTo2{1, 2};  // weights
constexpr BitRange kActivations{1, 8};
constexpr std::string_view kFloats = "f32 * f32 -> f32";
constexpr std::string_view kBytes = "u8/s8 * s8 -> s32";
constexpr std::string_view kNibbles = "u8/s8 * s4 -> s32";
constexpr std::string_view kPairs = "u8/s8 * s2 -> s32";
constexpr std::string_view kWeightBytes = "f32 * s8 -> f32";
constexpr std::string_view kWeightNibbles = "f32 * s4 -> f32";
constexpr std::string_view kBits = "bits: and, xor, popcount -> s32";
constexpr bool yes = true, no = false;

// Of few bits the row of fewest counts comes first; all come before int8, which they beat wherever layers are
// not small (2 x 2 bits: twice). More bits than these do not pay: 2 x 4 and 3 x 2 are as slow as int8.
template <Isa kIsa, int kWeightBits, int kActivationBits>
constexpr KernelRow bit_serial(std::string_view name) {
  return {name,
          kBits,
          kIsa,
          {1, kWeightBits},
          {1, kActivationBits},
          yes,
          no,
          yes,
          yes,
          bit_serial_refuses,
          make_bit_serial<kIsa, kWeightBits, kActivationBits>};
}

// clang-format off
const std::array kRows{
  // name; arithmetic; instruction set; weight and activation bits;
  //   conv, depthwise, linear, integer output; refuses; make
  KernelRow{"onednn_f32", kFloats, {}, kFp32, kFp32,
            yes, yes, yes, no, nullptr, make_onednn_f32},
  bit_serial<Isa::avx512, 1, 1>("bit_serial_w1a1_avx512"),
  bit_serial<Isa::avx2, 1, 1>("bit_serial_w1a1_avx2"),
  bit_serial<Isa::scalar, 1, 1>("bit_serial_w1a1_scalar"),
  bit_serial<Isa::avx512, 2, 1>("bit_serial_w2a1_avx512"),
  bit_serial<Isa::avx2, 2, 1>("bit_serial_w2a1_avx2"),
  bit_serial<Isa::scalar, 2, 1>("bit_serial_w2a1_scalar"),
  bit_serial<Isa::avx512, 1, 2>("bit_serial_w1a2_avx512"),
  bit_serial<Isa::avx2, 1, 2>("bit_serial_w1a2_avx2"),
  bit_serial<Isa::scalar, 1, 2>("bit_serial_w1a2_scalar"),
  bit_serial<Isa::avx512, 2, 2>("bit_serial_w2a2_avx512"),
  bit_serial<Isa::avx2, 2, 2>("bit_serial_w2a2_avx2"),
  bit_serial<Isa::scalar, 2, 2>("bit_serial_w2a2_scalar"),
  bit_serial<Isa::avx512, 3, 1>("bit_serial_w3a1_avx512"),
  bit_serial<Isa::avx2, 3, 1>("bit_serial_w3a1_avx2"),
  bit_serial<Isa::scalar, 3, 1>("bit_serial_w3a1_scalar"),
  bit_serial<Isa::avx512, 1, 3>("bit_serial_w1a3_avx512"),
  bit_serial<Isa::avx2, 1, 3>("bit_serial_w1a3_avx2"),
  bit_serial<Isa::scalar, 1, 3>("bit_serial_w1a3_scalar"),
  bit_serial<Isa::avx512, 2, 3>("bit_serial_w2a3_avx512"),
  bit_serial<Isa::avx2, 2, 3>("bit_serial_w2a3_avx2"),
  bit_serial<Isa::scalar, 2, 3>("bit_serial_w2a3_scalar"),
  bit_serial<Isa::avx512, 4, 1>("bit_serial_w4a1_avx512"),
  bit_serial<Isa::avx2, 4, 1>("bit_serial_w4a1_avx2"),
  bit_serial<Isa::scalar, 4, 1>("bit_serial_w4a1_scalar"),
  bit_serial<Isa::avx512, 1, 4>("bit_serial_w1a4_avx512"),
  bit_serial<Isa::avx2, 1, 4>("bit_serial_w1a4_avx2"),
  bit_serial<Isa::scalar, 1, 4>("bit_serial_w1a4_scalar"),
  KernelRow{"depthwise_int8_avx512", kBytes, Isa::avx512, kUpTo8, kActivations,
            no, yes, no, yes, depthwise_refuses, make_depthwise<Isa::avx512>},
  KernelRow{"depthwise_int8_avx2", kBytes, Isa::avx2, kUpTo8, kActivations,
            no, yes, no, yes, depthwise_refuses, make_depthwise<Isa::avx2>},
  KernelRow{"depthwise_int8_scalar", kBytes, Isa::scalar, kUpTo8, kActivations,
            no, yes, no, yes, depthwise_refuses, make_depthwise<Isa::scalar>},
  KernelRow{"onednn_int8", kBytes, {}, kUpTo8, kActivations,
            yes, yes, yes, yes, onednn_int8_refuses, make_onednn_int8},
  KernelRow{"direct_int8_avx512", kBytes, Isa::avx512, kUpTo8, kActivations,
            yes, no, no, yes, direct_refuses, make_direct},
  KernelRow{"packed_int8_avx512", kBytes, Isa::avx512, kUpTo8, kActivations,
            yes, yes, yes, yes, packed_refuses, make_packed<Isa::avx512, 8>},
  KernelRow{"packed_int8_avx2", kBytes, Isa::avx2, kUpTo8, kActivations,
            yes, yes, yes, yes, packed_refuses, make_packed<Isa::avx2, 8>},
  KernelRow{"packed_int8_scalar", kBytes, Isa::scalar, kUpTo8, kActivations,
            yes, yes, yes, yes, packed_refuses, make_packed<Isa::scalar, 8>},
  KernelRow{"packed_int4_avx512", kNibbles, Isa::avx512, kUpTo4, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::avx512, 4>},
  KernelRow{"packed_int4_avx2", kNibbles, Isa::avx2, kUpTo4, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::avx2, 4>},
  KernelRow{"packed_int4_scalar", kNibbles, Isa::scalar, kUpTo4, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::scalar, 4>},
  KernelRow{"packed_int2_avx512", kPairs, Isa::avx512, kUpTo2, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::avx512, 2>},
  KernelRow{"packed_int2_avx2", kPairs, Isa::avx2, kUpTo2, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::avx2, 2>},
  KernelRow{"packed_int2_scalar", kPairs, Isa::scalar, kUpTo2, kActivations,
            yes, no, yes, yes, packed_refuses, make_packed<Isa::scalar, 2>},
  KernelRow{"weight_only_int8_avx512", kWeightBytes, Isa::avx512, kUpTo8, kFp32,
            yes, yes, yes, no, nullptr, make_weight_only<Isa::avx512, 8>},
  KernelRow{"weight_only_int8_avx2", kWeightBytes, Isa::avx2, kUpTo8, kFp32,
            yes, yes, yes, no, nullptr, make_weight_only<Isa::avx2, 8>},
  KernelRow{"weight_only_int8_scalar", kWeightBytes, Isa::scalar, kUpTo8, kFp32,
            yes, yes, yes, no, nullptr, make_weight_only<Isa::scalar, 8>},
  KernelRow{"weight_only_int4_avx512", kWeightNibbles, Isa::avx512, kUpTo4, kFp32,
            yes, no, yes, no, nullptr, make_weight_only<Isa::avx512, 4>},
  KernelRow{"weight_only_int4_avx2", kWeightNibbles, Isa::avx2, kUpTo4, kFp32,
            yes, no, yes, no, nullptr, make_weight_only<Isa::avx2, 4>},
  KernelRow{"weight_only_int4_scalar", kWeightNibbles, Isa::scalar, kUpTo4, kFp32,
            yes, no, yes, no, nullptr, make_weight_only<Isa::scalar, 4>},
};
// clang-format on

// 1 bit is -1 and +1, more are narrow ranges with 0.
bool fits(std::int8_t weight, int bits) {
  if (bits == 1) return weight == -1 || weight == 1;
  const IntegerRange range = integer_range(bits, true);
  return weight >= range.low && weight <= range.high;
}

std::int8_t random_weight(int bits, base::Rng& rng) {
  if (bits == 1) return rng.below(2) == 0 ? -1 : 1;
  const IntegerRange range = integer_range(bits, true);
  return static_cast<std::int8_t>(range.low +
                                  static_cast<int>(rng.below(static_cast<std::uint64_t>(range.levels()))));
}

// Of weights or activations.
double root_mean_square(int bits, bool is_signed) {
  return bits == 1 && is_signed ? 1 : 0.6 * integer_range(bits, is_signed).high;
}

}  // namespace

bool KernelRow::capable(const LayerInfo& layer, LayerBits bits, Storage from, Storage to) const {
  const bool kind = layer.kind == LayerKind::linear      ? linear
                    : layer.kind == LayerKind::depthwise ? depthwise
                                                         : conv;
  return kind && weight_bits.contains(bits.weight) && activation_bits.contains(bits.activation) &&
         (from == Storage::f32) == (bits.activation == kFloatBits) &&
         (to == Storage::f32 || integer_output) && (refuses == nullptr || !refuses(layer, bits, from));
}

bool KernelRow::serves(const LayerInfo& layer, LayerBits bits, Storage from, Storage to) const {
  return (!isa || *isa == base::selected_isa()) && capable(layer, bits, from, to);
}

std::unique_ptr<PreparedKernel> KernelRow::prepare(const LayerInfo& layer, LayerBits bits, Storage from,
                                                   Storage to, int batch, const LayerNumbers& numbers) const {
  base::require(capable(layer, bits, from, to), "a kernel was asked for a layer that it cannot compute");
  base::require(batch >= 1, "a kernel needs at least one image");
  if (isa) {
    const auto isas = base::available_isas();
    base::require(std::find(isas.begin(), isas.end(), *isa) != isas.end(),
                  "this CPU lacks a kernel's instructions");
  }
  const std::size_t channels = static_cast<std::size_t>(layer.output.channels);
  const std::size_t weights = static_cast<std::size_t>(layer.weights());
  const bool floats = bits.weight == kFloatBits;
  base::require(numbers.multiplier.size() == channels && numbers.bias.size() == channels,
                "a layer has one multiplier and one bias per output channel");
  base::require((floats ? numbers.float_weights.size() : numbers.weights.size()) == weights,
                "a layer's weights have another number of elements than the layer");
  if (!floats) {
    base::require(std::all_of(numbers.weights.begin(), numbers.weights.end(),
                              [&](std::int8_t w) { return fits(w, bits.weight); }),
                  "a weight is outside of its bits' range");
  }
  return make(layer, bits, from, to, batch, numbers);
}

std::span<const KernelRow> kernel_rows() { return kRows; }

const KernelRow* find_kernel_row(std::string_view name) {
  for (const KernelRow& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

const KernelRow* find_kernel_row_here(std::string_view name, const LayerInfo& layer, LayerBits bits,
                                      Storage from, Storage to) {
  const KernelRow* named = find_kernel_row(name);
  if (named == nullptr || named->serves(layer, bits, from, to)) return named;
  if (named->isa) {
    const std::string_view stem = name.substr(0, name.size() - base::isa_name(*named->isa).size());
    const std::string sibling = std::string(stem) + std::string(base::isa_name(base::selected_isa()));
    const KernelRow* found = find_kernel_row(sibling);
    if (found != nullptr && found->serves(layer, bits, from, to)) return found;
  }
  for (const KernelRow& row : kRows)
    if (row.serves(layer, bits, from, to)) return &row;
  return nullptr;
}

Storage input_storage(const LayerInfo& layer, LayerBits bits) {
  if (bits.activation == kFloatBits) return Storage::f32;
  return layer.input_signed ? Storage::s8 : Storage::u8;
}

std::int64_t storage_bytes(Storage storage) { return storage == Storage::f32 ? 4 : 1; }

LayerNumbers random_numbers(const LayerInfo& layer, LayerBits bits, Storage to, base::Rng& rng) {
  LayerNumbers numbers;
  const std::size_t count = static_cast<std::size_t>(layer.weights());
  const double terms = static_cast<double>(layer.weights() / layer.output.channels);
  double weight_size = 0.5, input_size = 0.5;  // root mean squares, roughly
  if (bits.weight == kFloatBits) {
    for (std::size_t i = 0; i < count; ++i)
      numbers.float_weights.push_back(static_cast<float>(rng.uniform(-1, 1)));
  } else {
    for (std::size_t i = 0; i < count; ++i) numbers.weights.push_back(random_weight(bits.weight, rng));
    weight_size = root_mean_square(bits.weight, true);
  }
  if (bits.activation != kFloatBits) input_size = root_mean_square(bits.activation, layer.input_signed);
  const double spread = std::sqrt(terms) * weight_size * input_size;  // of an accumulator
  const double wanted = to == Storage::f32 ? 1 : 64;
  for (int c = 0; c < layer.output.channels; ++c) {
    numbers.multiplier.push_back(static_cast<float>(wanted / spread * rng.uniform(0.5, 1.5)));
    numbers.bias.push_back(static_cast<float>(wanted * rng.uniform(-0.5, 0.5)));
  }
  if (to == Storage::u8) numbers.low = 0, numbers.high = 255;
  if (to == Storage::s8) numbers.low = -127, numbers.high = 127;
  return numbers;
}

LayerNumbers random_numbers(const NetworkInfo& network, const Step& step, base::Rng& rng) {
  constexpr float high_of_seven_bits = 127, high_of_relu6 = 6;
  LayerNumbers numbers =
      random_numbers(network.layers[static_cast<std::size_t>(step.layer)], step.bits, step.to, rng);
  if (step.clamped) numbers.high = high_of_seven_bits;
  if (step.to == Storage::f32 && step.fused_relu) {
    numbers.low = 0;
    if (step.activation >= 0 && network.nodes[static_cast<std::size_t>(step.activation)].op == Op::relu6)
      numbers.high = high_of_relu6;
  }
  return numbers;
}

}  // namespace bitsmith::quant
