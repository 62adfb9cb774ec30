#include "quant/kernels/self_test.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kBatch = 2;
constexpr double kFloatTolerance = 1e-4;  // of the largest output: sums in another order

std::vector<LayerInfo> tiny_layers(bool is_signed) {
  NetworkBuilder builder("self-test", {6, 5, 4});
  int from = builder.input();
  if (!is_signed) from = builder.relu("positive", from);
  builder.conv("conv", from, 19, Window::square(3, 2, 1));
  builder.conv("pointwise", from, 33, Window{});
  builder.conv("depthwise", from, 6, Window::square(3, 1, 1), 6);
  builder.linear("linear", builder.flatten("flatten", from), 21);
  return std::move(builder).build().layers;
}

std::vector<std::byte> random_input(const LayerInfo& layer, LayerBits bits, Storage from, base::Rng& rng) {
  const std::int64_t count = kBatch * layer.input.elements();
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * storage_bytes(from)));
  for (std::int64_t i = 0; i < count; ++i) {
    if (from == Storage::f32) {
      const float value = static_cast<float>(rng.uniform(layer.input_signed ? -1 : 0, 1));
      std::memcpy(bytes.data() + 4 * i, &value, 4);
    } else {
      const IntegerRange range = integer_range(bits.activation, layer.input_signed);
      const int value = range.low + static_cast<int>(rng.below(static_cast<std::uint64_t>(range.levels())));
      bytes[static_cast<std::size_t>(i)] = static_cast<std::byte>(value);
    }
  }
  return bytes;
}

bool agree(const std::vector<std::byte>& a, const std::vector<std::byte>& b, bool exactly) {
  if (exactly) return a == b;
  double worst = 0, largest = 1;
  for (std::size_t i = 0; i < a.size(); i += 4) {
    float x, y;
    std::memcpy(&x, a.data() + i, 4);
    std::memcpy(&y, b.data() + i, 4);
    worst = std::max(worst, static_cast<double>(std::abs(x - y)));
    largest = std::max(largest, static_cast<double>(std::abs(y)));
  }
  return worst <= kFloatTolerance * largest;
}

void test_row(const KernelRow& row, const LayerInfo& layer, LayerBits bits, Storage to) {
  if (layer.input_signed && bits.activation == 1) return;  // -1 and 1 are no activations
  const Storage from = input_storage(layer, bits);
  if (!row.serves(layer, bits, from, to)) return;
  base::Rng rng(base::derive_seed(1, row.name));
  const LayerNumbers numbers = random_numbers(layer, bits, to, rng);
  const std::vector<std::byte> input = random_input(layer, bits, from, rng);
  std::vector<std::byte> expected(
      static_cast<std::size_t>(kBatch * layer.output.elements() * storage_bytes(to)));
  std::vector<std::byte> got(expected.size());
  reference_layer(layer, bits, from, to, kBatch, numbers, input.data(), expected.data());
  row.prepare(layer, bits, from, to, kBatch, numbers)->run(input.data(), got.data());
  if (!agree(got, expected, from != Storage::f32))
    throw base::InternalError(
        fmt::format("self-test: kernel '{}' differs from the reference on a {} at w{}a{}, {} -> {}", row.name,
                    layer.name, bits.weight, bits.activation, storage_name(from), storage_name(to)));
}

}  // namespace

void self_test_kernels() {
  for (const bool is_signed : {false, true})
    for (const LayerInfo& layer : tiny_layers(is_signed))
      for (const KernelRow& row : kernel_rows())
        for (const int weight : {row.weight_bits.low, row.weight_bits.high})
          for (const int activation : {row.activation_bits.low, row.activation_bits.high})
            for (const Storage to : {Storage::f32, Storage::u8, Storage::s8})
              test_row(row, layer, {weight, activation}, to);
}

}  // namespace bitsmith::quant
