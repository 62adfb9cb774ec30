#include "quant/kernels/kernel_table.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/quantizer.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

// fp32 kernels sum up to a few hundred products in another order than the double reference: each addition may
// lose half an ulp of the largest partial sum.
constexpr double kFloatTolerance = 2e-5;

struct Case {
  const char* name;
  Shape input;
  int outputs;
  Window window;
  int groups;
  int batch;
};

const std::vector<Case> kConvolutions = {
    {"one pixel, one channel", {1, 1, 1}, 1, Window{}, 1, 1},
    {"pointwise, odd channels", {7, 5, 3}, 13, Window{}, 1, 2},
    {"pointwise, whole tiles", {64, 4, 4}, 64, Window{}, 1, 2},
    {"pointwise, two blocks and a rest", {40, 3, 3}, 150, Window{}, 1, 1},
    {"pointwise with a stride", {16, 7, 7}, 24, Window::square(1, 2), 1, 1},
    {"3x3 of three channels", {3, 9, 8}, 16, Window::square(3, 1, 1), 1, 2},
    {"3x3 with stride", {16, 9, 9}, 32, Window::square(3, 2, 1), 1, 3},
    {"3x3 without padding", {5, 6, 6}, 17, Window::square(3), 1, 1},
    {"3x3 dilated", {6, 9, 9}, 10, Window::square(3, 1, 2, 2), 1, 1},
    {"5x3 with uneven padding and strides", {4, 8, 9}, 9, Window{5, 3, 1, 2, 1, 1, 2, 0, 1, 1}, 1, 2},
    {"3x3 on one pixel", {8, 1, 1}, 8, Window::square(3, 1, 1), 1, 1},
    {"groups", {12, 6, 6}, 18, Window::square(3, 1, 1), 3, 2},
    {"groups of one output", {6, 4, 4}, 3, Window::square(1), 3, 1},
    {"depthwise", {24, 7, 7}, 24, Window::square(3, 1, 1), 24, 2},
    {"depthwise, odd, strided", {13, 8, 8}, 13, Window::square(3, 2, 1), 13, 1},
    {"depthwise 3x3 dilated, a block and a rest", {70, 9, 23}, 70, Window::square(3, 1, 2, 2), 70, 1},
    {"depthwise 3x3, odd rows, blocks that overlap", {70, 5, 4}, 70, Window::square(3, 1, 1), 70, 2},
    {"depthwise 3x3 with stride", {32, 9, 6}, 32, Window::square(3, 2, 1), 32, 2},
    {"depthwise 3x3, uneven strides and padding",
     {33, 8, 9},
     33,
     Window{3, 3, 1, 2, 1, 1, 2, 0, 0, 2},
     33,
     1},
    {"depthwise 3x3, uneven the other way", {64, 7, 5}, 64, Window{3, 3, 2, 1, 1, 1, 0, 2, 3, 0}, 64, 1},
    {"depthwise 3x3, one row without padding", {40, 3, 8}, 40, Window::square(3), 40, 1},
    {"depthwise 3x3 on one pixel", {48, 1, 1}, 48, Window::square(3, 1, 1), 48, 1},
    {"depthwise 5x5, three vectors", {48, 11, 10}, 48, Window::square(5, 2, 2), 48, 2},
    {"depthwise 9x1, uneven padding", {33, 9, 7}, 33, Window{9, 1, 1, 1, 1, 1, 6, 0, 3, 0}, 33, 1},
    {"depthwise, a border wider than the image", {20, 2, 2}, 20, Window::square(7, 3, 6), 20, 1},
    {"depthwise on one pixel", {17, 1, 1}, 17, Window::square(3, 1, 1), 17, 1},
    {"depthwise, two filters a channel", {5, 6, 6}, 10, Window::square(3, 1, 1), 5, 1},
    {"many pixels, more than a panel", {64, 24, 24}, 20, Window::square(3, 1, 1), 1, 1},
};

// Where bit planes have edges of their own: words shared by taps, channels that fill words or do not.
const std::vector<Case> kBitConvolutions = {
    {"3x3, whole words", {32, 6, 5}, 40, Window::square(3, 1, 1), 1, 3},
    {"3x3, words across taps", {24, 5, 5}, 33, Window::square(3, 1, 1), 1, 3},
    {"3x3, odd channels beyond a vector", {67, 4, 4}, 31, Window::square(3, 1, 1), 1, 1},
    {"3x3 dilated, whole words", {32, 7, 7}, 16, Window::square(3, 2, 2, 2), 1, 1},
    {"more than 31 words a pass", {320, 3, 3}, 17, Window::square(3, 1, 1), 1, 1},
    {"groups of whole words", {64, 5, 5}, 64, Window::square(3, 1, 1), 2, 2},
    {"pointwise, one pixel", {100, 1, 1}, 65, Window{}, 1, 3},
};

const std::vector<std::pair<int, int>> kProducts = {{1, 1},   {3, 10},    {64, 10},
                                                    {65, 33}, {130, 100}, {512, 64}};

LayerInfo layer_of(const Case& c, bool is_signed) {
  NetworkBuilder builder("test", c.input);
  int from = builder.input();
  if (!is_signed) from = builder.relu("positive", from);
  builder.conv("layer", from, c.outputs, c.window, c.groups);
  return std::move(builder).build().layers[0];
}

LayerInfo product_of(int inputs, int outputs, bool is_signed) {
  NetworkBuilder builder("test", {inputs, 1, 1});
  int from = builder.input();
  if (!is_signed) from = builder.relu("positive", from);
  builder.linear("layer", from, outputs);
  return std::move(builder).build().layers[0];
}

enum class Fill { random, extreme };

std::vector<std::uint8_t> input_of(const LayerInfo& layer, LayerBits bits, Storage from, int batch, Fill fill,
                                   base::Rng& rng) {
  const std::size_t n = static_cast<std::size_t>(layer.input.elements() * batch);
  std::vector<std::uint8_t> bytes(n * static_cast<std::size_t>(storage_bytes(from)));
  for (std::size_t i = 0; i < n; ++i) {
    if (from == Storage::f32) {
      const float x = static_cast<float>(rng.uniform(layer.input_signed ? -1 : 0, 1));
      std::memcpy(bytes.data() + 4 * i, &x, 4);
      continue;
    }
    const IntegerRange range = integer_range(bits.activation, from == Storage::s8);
    const int q = fill == Fill::extreme
                      ? (rng.below(8) == 0 && from == Storage::s8 ? range.low : range.high)
                      : range.low + static_cast<int>(rng.below(static_cast<std::uint64_t>(range.levels())));
    bytes[i] = static_cast<std::uint8_t>(q);
  }
  return bytes;
}

std::string described(const KernelRow& row, const LayerInfo& layer, LayerBits bits, Storage from,
                      Storage to) {
  return std::string(row.name) + " " + std::string(layer_kind_name(layer.kind)) + " " +
         std::to_string(layer.input.channels) + "->" + std::to_string(layer.output.channels) + " k" +
         std::to_string(layer.window.kernel_h) + " w" + std::to_string(bits.weight) + "a" +
         std::to_string(bits.activation) + " " + std::string(storage_name(from)) + "->" +
         std::string(storage_name(to));
}

std::vector<std::uint8_t> reference_of(const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
                                       int batch, const LayerNumbers& numbers,
                                       const std::vector<std::uint8_t>& input) {
  std::vector<std::uint8_t> expected(
      static_cast<std::size_t>(layer.output.elements() * batch * storage_bytes(to)));
  reference_layer(layer, bits, from, to, batch, numbers, input.data(), expected.data());
  return expected;
}

// Runs a row twice through the same prepared kernel, with guard bytes behind the output.
void compare(const KernelRow& row, const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
             int batch, const LayerNumbers& numbers, const std::vector<std::uint8_t>& input,
             const std::vector<std::uint8_t>& expected) {
  const std::string what = described(row, layer, bits, from, to);
  const std::size_t size = expected.size();
  constexpr std::size_t kGuard = 64;
  std::vector<std::uint8_t> got(size + kGuard, 0xA5);
  const auto kernel = row.prepare(layer, bits, from, to, batch, numbers);
  for (int repeat = 0; repeat < 2; ++repeat) {
    std::fill(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(size), 0xEE);
    kernel->run(input.data(), got.data());
    BOOST_TEST(std::all_of(got.end() - kGuard, got.end(), [](std::uint8_t b) { return b == 0xA5; }),
               what << " wrote past its output");
    if (bits.activation != kFloatBits) {
      BOOST_TEST((std::memcmp(got.data(), expected.data(), size) == 0),
                 what << " differs from the reference");
      continue;
    }
    double worst = 0, largest = 1;
    for (std::size_t i = 0; i < size / 4; ++i) {
      float a, b;
      std::memcpy(&a, got.data() + 4 * i, 4);
      std::memcpy(&b, expected.data() + 4 * i, 4);
      worst = std::max(worst, static_cast<double>(std::abs(a - b)));
      largest = std::max(largest, static_cast<double>(std::abs(b)));
    }
    BOOST_TEST(worst <= kFloatTolerance * largest, what << " is off by " << worst);
  }
  BOOST_TEST(kernel->weight_bytes() > 0);
}

bool available(const KernelRow& row) {
  const auto isas = base::available_isas();
  return !row.isa || std::find(isas.begin(), isas.end(), *row.isa) != isas.end();
}

void try_rows(const LayerInfo& layer, LayerBits bits, int batch, std::uint64_t seed,
              Fill fill = Fill::random) {
  const Storage from = input_storage(layer, bits);
  for (Storage to : {Storage::f32, Storage::u8, Storage::s8}) {
    std::vector<const KernelRow*> rows;
    for (const KernelRow& row : kernel_rows())
      if (available(row) && row.capable(layer, bits, from, to)) rows.push_back(&row);
    if (rows.empty()) continue;
    base::Rng rng(seed);
    LayerNumbers numbers = random_numbers(layer, bits, to, rng);
    if (fill == Fill::extreme)
      std::fill(numbers.weights.begin(), numbers.weights.end(),
                static_cast<std::int8_t>(bits.weight == 1 ? 1 : integer_range(bits.weight, true).high));
    if (to == Storage::u8)
      numbers.high = seed % 2 == 0 ? 15 : 12.5f;  // a 4-bit reader, or ReLU6 at some scale
    if (to == Storage::f32 && seed % 2 == 0) numbers.low = 0;
    if (to == Storage::f32 && seed % 4 == 0) numbers.high = 0.75f;
    const auto input = input_of(layer, bits, from, batch, fill, rng);
    const auto expected = reference_of(layer, bits, from, to, batch, numbers, input);
    for (const KernelRow* row : rows) compare(*row, layer, bits, from, to, batch, numbers, input, expected);
  }
}

const std::vector<LayerBits> kBits = {{8, 8}, {4, 8},          {2, 3},          {7, 5},
                                      {3, 2}, {8, kFloatBits}, {4, kFloatBits}, {kFloatBits, kFloatBits},
                                      {1, 8}, {2, 8}};

// Those that have a bit-serial row of their own.
const std::vector<LayerBits> kFewBits = {{1, 1}, {2, 1}, {1, 2}, {2, 2}, {3, 1},
                                         {1, 3}, {2, 3}, {4, 1}, {1, 4}};

bool legal(LayerBits bits, bool is_signed) { return !is_signed || bits.activation > 1; }

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_table)

BOOST_AUTO_TEST_CASE(every_row_equals_the_reference_on_every_convolution) {
  std::uint64_t seed = 1;
  for (const Case& c : kConvolutions)
    for (bool is_signed : {false, true})
      for (LayerBits bits : kBits) {
        BOOST_TEST_CONTEXT(c.name) try_rows(layer_of(c, is_signed), bits, c.batch, ++seed);
      }
}

BOOST_AUTO_TEST_CASE(every_row_equals_the_reference_on_every_matrix_product) {
  std::uint64_t seed = 100;
  for (const auto& [inputs, outputs] : kProducts)
    for (bool is_signed : {false, true})
      for (LayerBits bits : kBits)
        for (int batch : {1, 3, 17}) try_rows(product_of(inputs, outputs, is_signed), bits, batch, ++seed);
}

BOOST_AUTO_TEST_CASE(accumulators_at_their_extremes_do_not_overflow_or_saturate) {
  std::uint64_t seed = 500;
  for (bool is_signed : {false, true})
    for (LayerBits bits :
         {LayerBits{8, 8}, LayerBits{4, 8}, LayerBits{2, 8}, LayerBits{4, 1}, LayerBits{2, 3}}) {
      if (!legal(bits, is_signed)) continue;
      try_rows(product_of(65536, 5, is_signed), bits, 1, ++seed, Fill::extreme);
      try_rows(layer_of({"wide", {512, 3, 3}, 20, Window::square(3, 1, 1), 1, 1}, is_signed), bits, 1, ++seed,
               Fill::extreme);
      try_rows(layer_of({"depthwise", {20, 30, 30}, 20, Window::square(29), 20, 1}, is_signed), bits, 1,
               ++seed, Fill::extreme);
    }
}

BOOST_AUTO_TEST_CASE(every_row_of_few_bits_equals_the_reference_on_every_convolution) {
  constexpr std::int64_t kMostMacs = 2'000'000;  // there are many pairs of bits, and the oracle is slow
  std::uint64_t seed = 2000;
  for (const std::vector<Case>* cases : {&kConvolutions, &kBitConvolutions})
    for (const Case& c : *cases)
      for (bool is_signed : {false, true})
        for (LayerBits bits : kFewBits) {
          const LayerInfo layer = layer_of(c, is_signed);
          if (!legal(bits, is_signed) || layer.macs() > kMostMacs) continue;
          BOOST_TEST_CONTEXT(c.name) try_rows(layer, bits, c.batch, ++seed);
        }
}

BOOST_AUTO_TEST_CASE(every_row_of_few_bits_equals_the_reference_on_every_matrix_product) {
  std::uint64_t seed = 3000;
  for (const auto& [inputs, outputs] : kProducts)
    for (bool is_signed : {false, true})
      for (LayerBits bits : kFewBits)
        for (int batch : {1, 3, 17})
          if (legal(bits, is_signed)) try_rows(product_of(inputs, outputs, is_signed), bits, batch, ++seed);
}

BOOST_AUTO_TEST_CASE(one_bit_activations_are_served) {
  try_rows(layer_of(kConvolutions[6], false), {2, 1}, 1, 900);
  try_rows(product_of(65, 33, false), {8, 1}, 2, 901);
}

BOOST_AUTO_TEST_CASE(values_on_the_border_between_two_integers_round_to_even) {
  const LayerInfo layer = product_of(8, 4, false);
  LayerNumbers numbers;
  numbers.weights.assign(32, 1);
  numbers.multiplier = {0.5f, 0.5f, -0.5f, 0.25f};
  numbers.bias = {0, 1, 100, 0.125f};
  numbers.low = 0;
  numbers.high = 255;
  for (const KernelRow& row : kernel_rows())
    for (int value = 0; value < 40; ++value) {
      if (!available(row) || !row.capable(layer, {4, 8}, Storage::u8, Storage::u8)) continue;
      std::vector<std::uint8_t> input(8, 0);
      input[0] = static_cast<std::uint8_t>(value);
      compare(row, layer, {4, 8}, Storage::u8, Storage::u8, 1, numbers, input,
              reference_of(layer, {4, 8}, Storage::u8, Storage::u8, 1, numbers, input));
    }
}

BOOST_AUTO_TEST_CASE(a_channel_whose_multiplier_is_zero_is_its_bias) {
  const LayerInfo layer = layer_of(kConvolutions[5], false);
  for (const KernelRow& row : kernel_rows())
    for (LayerBits bits : kBits) {
      const Storage from = input_storage(layer, bits);
      if (!available(row) || !row.capable(layer, bits, from, Storage::f32)) continue;
      base::Rng rng(7);
      LayerNumbers numbers = random_numbers(layer, bits, Storage::f32, rng);
      numbers.multiplier[2] = 0;
      numbers.multiplier[3] = 0;
      numbers.bias[2] = 1.5f;
      numbers.bias[3] = 0;
      const auto input = input_of(layer, bits, from, 2, Fill::random, rng);
      compare(row, layer, bits, from, Storage::f32, 2, numbers, input,
              reference_of(layer, bits, from, Storage::f32, 2, numbers, input));
      std::vector<float> out(static_cast<std::size_t>(layer.output.elements() * 2));
      row.prepare(layer, bits, from, Storage::f32, 2, numbers)->run(input.data(), out.data());
      BOOST_TEST(out[2] == 1.5f);
      BOOST_TEST(out[3] == 0.0f);
    }
}

BOOST_AUTO_TEST_CASE(names_are_unique_and_found) {
  std::set<std::string_view> names;
  for (const KernelRow& row : kernel_rows()) {
    BOOST_TEST(names.insert(row.name).second);
    BOOST_TEST(find_kernel_row(row.name) == &row);
  }
  BOOST_TEST(find_kernel_row("int3_by_hand") == nullptr);
}

BOOST_AUTO_TEST_CASE(every_legal_pair_of_bits_is_served_on_every_kind_of_layer) {
  for (bool is_signed : {false, true})
    for (int weight = 2; weight <= 8; ++weight)
      for (int activation : {1, 2, 3, 4, 5, 6, 7, 8, kFloatBits}) {
        if (is_signed && activation == 1) continue;
        for (const LayerInfo& layer :
             {layer_of(kConvolutions[6], is_signed), layer_of(kConvolutions[11], is_signed),
              layer_of(kConvolutions[13], is_signed), product_of(64, 10, is_signed)})
          for (Storage to : {Storage::f32, Storage::u8, Storage::s8}) {
            if (activation == kFloatBits && to != Storage::f32) continue;
            const LayerBits bits{weight, activation};
            BOOST_TEST(std::any_of(kernel_rows().begin(), kernel_rows().end(), [&](const KernelRow& row) {
              return row.serves(layer, bits, input_storage(layer, bits), to);
            }));
          }
      }
}

BOOST_AUTO_TEST_CASE(a_row_refuses_what_it_cannot_do) {
  const LayerInfo layer = product_of(8, 4, false);
  base::Rng rng(1);
  const LayerNumbers numbers = random_numbers(layer, {4, 8}, Storage::f32, rng);
  const KernelRow& row = *find_kernel_row("packed_int4_scalar");
  BOOST_CHECK_THROW(row.prepare(layer, {8, 8}, Storage::u8, Storage::f32, 1, numbers), base::InternalError);
  BOOST_CHECK_THROW(row.prepare(layer, {4, 8}, Storage::f32, Storage::f32, 1, numbers), base::InternalError);
  LayerNumbers wide = numbers;
  wide.weights[0] = 9;
  BOOST_CHECK_THROW(row.prepare(layer, {4, 8}, Storage::u8, Storage::f32, 1, wide), base::InternalError);
  LayerNumbers fewer = numbers;
  fewer.bias.pop_back();
  BOOST_CHECK_THROW(row.prepare(layer, {4, 8}, Storage::u8, Storage::f32, 1, fewer), base::InternalError);

  const KernelRow& bits = *find_kernel_row("bit_serial_w1a1_scalar");
  LayerNumbers binary = random_numbers(layer, {1, 1}, Storage::f32, rng);
  BOOST_TEST(std::all_of(binary.weights.begin(), binary.weights.end(),
                         [](std::int8_t w) { return w == -1 || w == 1; }));
  bits.prepare(layer, {1, 1}, Storage::u8, Storage::f32, 1, binary);
  binary.weights[3] = 0;
  BOOST_CHECK_THROW(bits.prepare(layer, {1, 1}, Storage::u8, Storage::f32, 1, binary), base::InternalError);
  BOOST_TEST(!bits.capable(product_of(8, 4, true), {1, 1}, Storage::s8, Storage::f32));
  BOOST_TEST(!bits.capable(layer_of(kConvolutions[13], false), {1, 1}, Storage::u8, Storage::f32));
}

BOOST_AUTO_TEST_CASE(no_integer_row_takes_a_product_whose_sum_could_overflow) {
  const LayerInfo longest = product_of(65536, 2, false), longer = product_of(65537, 2, false);
  for (const KernelRow& row : kernel_rows()) {
    if (!row.serves(longest, {8, 8}, Storage::u8, Storage::f32)) continue;
    BOOST_TEST(!row.serves(longer, {8, 8}, Storage::u8, Storage::f32), row.name);
  }
}

BOOST_AUTO_TEST_CASE(outputs_far_beyond_32_bits_are_clamped_like_any_other) {
  for (const Case& c : {Case{"pointwise", {64, 4, 4}, 64, Window{}, 1, 1},
                        Case{"depthwise", {40, 5, 5}, 40, Window::square(3, 1, 1), 40, 1}})
    for (bool is_signed : {false, true}) {
      const LayerInfo layer = layer_of(c, is_signed);
      const LayerBits bits{8, 8};
      const Storage from = input_storage(layer, bits);
      for (Storage to : {Storage::u8, Storage::s8}) {
        base::Rng rng(9);
        LayerNumbers numbers = random_numbers(layer, bits, to, rng);
        for (std::size_t i = 0; i < numbers.multiplier.size(); ++i)
          numbers.multiplier[i] = i % 3 == 0 ? 1e12f : i % 3 == 1 ? -1e12f : numbers.multiplier[i];
        const auto input = input_of(layer, bits, from, c.batch, Fill::random, rng);
        const auto expected = reference_of(layer, bits, from, to, c.batch, numbers, input);
        for (const KernelRow& row : kernel_rows())
          if (available(row) && row.capable(layer, bits, from, to))
            compare(row, layer, bits, from, to, c.batch, numbers, input, expected);
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()
