#include "quant/kernels/step_kernels.hpp"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/element_kernels.hpp"
#include "quant/kernels/kernel_table.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

// Sums of up to 81 floats, and a product and a sum rounded once or twice.
constexpr float kTolerance = 2e-6f;
// Sums of up to 49 products of numbers up to 3.
constexpr float kProductTolerance = 2e-5f;

constexpr Storage kStorages[] = {Storage::f32, Storage::u8, Storage::s8};

std::vector<Step> all_steps() {
  std::vector<Step> steps;
  const Shape shapes[] = {{1, 1, 1}, {3, 5, 4}, {16, 9, 9}, {67, 3, 3}};
  for (const Shape& shape : shapes) {
    Step step;
    step.input = step.output = shape;
    for (StepKind kind : {StepKind::batch_norm, StepKind::relu, StepKind::add}) {
      step.kind = kind;
      steps.push_back(step);
    }
    step.fused_relu = true;
    steps.push_back(step);
    step.fused_relu = false;
    step.kind = StepKind::quantize;
    for (Storage to : {Storage::u8, Storage::s8}) {
      step.to = to;
      steps.push_back(step);
    }
    step.from = Storage::u8;
    step.to = Storage::f32;
    steps.push_back(step);
    step.from = step.to = Storage::s8;
    steps.push_back(step);
    step.kind = StepKind::add;
    for (Storage from : kStorages)
      for (Storage second : kStorages)
        for (Storage to : kStorages) {
          step.from = from;
          step.second_from = second;
          step.to = to;
          step.fused_relu = to == Storage::u8;
          steps.push_back(step);
        }
    step.second_from = Storage::f32;
    step.fused_relu = false;
    step.kind = StepKind::global_average_pool;
    step.output = {shape.channels, 1, 1};
    for (Storage from : kStorages)
      for (Storage to : kStorages) {
        step.from = from;
        step.to = to;
        steps.push_back(step);
      }
    step.kind = StepKind::flatten;
    step.output = {static_cast<int>(shape.elements()), 1, 1};
    for (Storage storage : kStorages) {
      step.from = step.to = storage;
      steps.push_back(step);
    }
    step.from = Storage::f32;
    step.output = shape;
    for (StepKind kind : {StepKind::layer_norm, StepKind::gelu, StepKind::softmax, StepKind::position})
      for (Storage to : kStorages) {
        step.kind = kind;
        step.to = to;
        step.groups = 1;
        steps.push_back(step);
        if (kind != StepKind::softmax || shape.channels % 2 != 0) continue;
        step.groups = 2;
        steps.push_back(step);
      }
    step.groups = 1;
    for (Storage to : kStorages) {
      step.to = to;
      step.kind = StepKind::prelu;
      steps.push_back(step);
      step.kind = StepKind::function;
      for (const FunctionRow& row : function_rows()) {
        step.function = row.function;
        steps.push_back(step);
      }
      step.second = Step::kNetworkInput;
      for (const Shape& second : {shape, Shape{shape.channels, 1, 1}}) {
        step.kind = StepKind::multiply;
        step.second_input = second;
        steps.push_back(step);
      }
      step.kind = StepKind::concat;
      step.second_input = {3, shape.height, shape.width};
      step.output.channels = shape.channels + 3;
      steps.push_back(step);
      step.output = shape;
      step.second = Step::kNothing;
    }
    for (Storage storage : kStorages) {
      step.from = step.to = storage;
      step.kind = StepKind::shuffle;
      step.groups = shape.channels % 4 == 0 ? 4 : shape.channels;
      steps.push_back(step);
      step.groups = 1;
      step.kind = StepKind::slice;
      step.begin = shape.channels / 2;
      step.output.channels = shape.channels - step.begin;
      steps.push_back(step);
      step.begin = 0;
      step.kind = StepKind::resize;
      step.window = {1, 1, 2, 3};
      step.output = {shape.channels, 2 * shape.height, 3 * shape.width};
      steps.push_back(step);
      step.kind = StepKind::pad;
      step.window = {1, 1, 1, 1, 1, 1, 1, 0, 2, 3};
      step.output = {shape.channels, shape.height + 3, shape.width + 3};
      steps.push_back(step);
      step.output = shape;
    }
    step.window = {};
    step.from = step.to = Storage::f32;
    for (const Window& window : {Window::square(1), Window::square(3, 2, 1),
                                 Window{2, 3, 1, 2, 1, 1, 1, 1, 0, 2}, Window::square(2, 1, 2, 2)}) {
      if (window.output_height(shape.height) < 1 || window.output_width(shape.width) < 1) continue;
      step.window = window;
      step.output = {shape.channels, window.output_height(shape.height), window.output_width(shape.width)};
      step.kind = StepKind::average_pool;
      for (const bool counts_padding : {false, true})
        for (Storage from : kStorages)
          for (Storage to : kStorages) {
            step.counts_padding = counts_padding;
            step.from = from;
            step.to = to;
            steps.push_back(step);
          }
      step.counts_padding = false;
      step.kind = StepKind::max_pool;
      for (Storage storage : kStorages) {
        step.from = step.to = storage;
        steps.push_back(step);
      }
      step.from = step.to = Storage::f32;
    }
  }
  // Attention: queries times keys, and shares of them times values; also of other pixels than the queries'.
  struct Product {
    Shape left, right;
    int heads;
    bool transpose;
    Shape output;
  };
  const Product products[] = {
      {{6, 3, 3}, {6, 3, 3}, 2, true, {18, 3, 3}},    {{18, 3, 3}, {6, 3, 3}, 2, false, {6, 3, 3}},
      {{64, 7, 7}, {64, 7, 7}, 4, true, {196, 7, 7}}, {{196, 7, 7}, {64, 7, 7}, 4, false, {64, 7, 7}},
      {{5, 1, 1}, {5, 4, 5}, 1, true, {20, 1, 1}},    {{5, 3, 1}, {9, 5, 1}, 1, false, {9, 3, 1}},
      {{1, 1, 1}, {1, 1, 1}, 1, true, {1, 1, 1}}};
  for (const Product& product : products)
    for (Storage from : kStorages)
      for (Storage second : kStorages)
        for (Storage to : kStorages) {
          if ((from == Storage::f32) != (second == Storage::f32)) continue;
          Step step;
          step.kind = StepKind::matmul;
          step.input = product.left;
          step.second_input = product.right;
          step.groups = product.heads;
          step.transpose = product.transpose;
          step.output = product.output;
          step.from = from;
          step.second_from = second;
          step.to = to;
          steps.push_back(step);
        }
  return steps;
}

std::vector<std::uint8_t> random_input(const Shape& shape, Storage storage, int batch, base::Rng& rng) {
  const std::size_t n = static_cast<std::size_t>(shape.elements() * batch);
  std::vector<std::uint8_t> bytes(n * static_cast<std::size_t>(storage_bytes(storage)));
  for (std::size_t i = 0; i < n; ++i) {
    if (storage == Storage::f32) {
      const float x = static_cast<float>(rng.uniform(-3, 3));
      std::memcpy(bytes.data() + 4 * i, &x, 4);
    } else {
      bytes[i] = static_cast<std::uint8_t>(rng.below(256));
    }
  }
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(step_kernels)

BOOST_AUTO_TEST_CASE(every_step_equals_the_reference) {
  base::Rng rng(21);
  for (const Step& step : all_steps())
    for (int batch : {1, 3}) {
      BOOST_REQUIRE(step_kernel_serves(step));
      StepNumbers numbers = plain_numbers(step);
      numbers.high = 1.25f;
      numbers.in_scale = 0.017f;
      numbers.second_scale = 0.029f;
      const auto in = random_input(step.input, step.from, batch, rng),
                 second = random_input(step.second_input.channels > 0 ? step.second_input : step.input,
                                       step.second_from, batch, rng);
      const std::size_t n = static_cast<std::size_t>(step.output.elements() * batch);
      const std::size_t size = n * static_cast<std::size_t>(storage_bytes(step.to));
      std::vector<std::uint8_t> got(size + 64, 0xA5), expected(size + 64, 0xA5);
      reference_step(step, batch, numbers, in.data(), second.data(), expected.data());
      prepare_step(step, batch, numbers)->run(in.data(), second.data(), got.data());
      const std::string what =
          fmt::format("{} {} + {} -> {}", step_kernel_name(step.kind), storage_name(step.from),
                      storage_name(step.second_from), storage_name(step.to));
      // Floats are summed, and exp computed, otherwise than by the reference in doubles: a tie may fall
      // either way.
      const bool sums_floats =
          step.from == Storage::f32 && step.kind != StepKind::add && step.kind != StepKind::quantize;
      if (step.to != Storage::f32 && sums_floats) {
        int largest = 0;
        for (std::size_t i = 0; i < n; ++i)
          largest = std::max(largest, std::abs(int{got[i]} - int{expected[i]}) % 255);
        BOOST_TEST(largest <= 1, what);
        continue;
      }
      if (step.to != Storage::f32) {
        BOOST_TEST((got == expected), what);
        continue;
      }
      const float tolerance = step.kind == StepKind::matmul ? kProductTolerance : kTolerance;
      bool near = std::memcmp(got.data() + size, expected.data() + size, 64) == 0;
      for (std::size_t i = 0; i < n; ++i) {
        float a, b;
        std::memcpy(&a, got.data() + 4 * i, 4);
        std::memcpy(&b, expected.data() + 4 * i, 4);
        near &= std::abs(a - b) <= tolerance * (1 + std::abs(b));
      }
      BOOST_TEST(near, what);
    }
}

BOOST_AUTO_TEST_CASE(elementwise_steps_may_write_over_their_input) {
  base::Rng rng(22);
  for (StepKind kind :
       {StepKind::batch_norm, StepKind::relu, StepKind::add, StepKind::layer_norm, StepKind::gelu,
        StepKind::softmax, StepKind::position, StepKind::function, StepKind::prelu, StepKind::multiply}) {
    BOOST_TEST(runs_in_place(kind));
    Step step;
    step.kind = kind;
    step.input = step.output = step.second_input = {5, 3, 3};
    const StepNumbers numbers = plain_numbers(step);
    auto in = random_input(step.input, step.from, 1, rng);
    const auto second = random_input(step.input, step.second_from, 1, rng);
    std::vector<std::uint8_t> apart(in.size());
    const auto prepared = prepare_step(step, 1, numbers);
    prepared->run(in.data(), second.data(), apart.data());
    prepared->run(in.data(), second.data(), in.data());
    BOOST_TEST((in == apart));
  }
}

BOOST_AUTO_TEST_CASE(integers_are_added_over_the_first_operand_too) {
  base::Rng rng(24);
  Step step;
  step.kind = StepKind::add;
  step.input = step.output = {67, 9, 9};  // more than one chunk
  step.from = step.second_from = step.to = Storage::s8;
  auto in = random_input(step.input, step.from, 1, rng);
  const auto second = random_input(step.input, step.second_from, 1, rng);
  std::vector<std::uint8_t> apart(in.size());
  const auto prepared = prepare_step(step, 1, plain_numbers(step));
  prepared->run(in.data(), second.data(), apart.data());
  prepared->run(in.data(), second.data(), in.data());
  BOOST_TEST((in == apart));
}

BOOST_AUTO_TEST_CASE(every_instruction_set_has_the_same_maxima_and_sums) {
  base::Rng rng(23);
  std::vector<float> a(37), b(37);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(rng.normal());
    b[i] = static_cast<float>(rng.normal());
  }
  const ElementKernels* kernels[] = {&scalar::element_kernels, &avx2::element_kernels,
                                     &avx512::element_kernels};
  for (base::Isa isa : base::available_isas()) {
    const ElementKernels& k = *kernels[static_cast<int>(isa)];
    std::vector<float> sum(37), most = b, plus = b;
    k.add(a.data(), b.data(), 37, -0.5f, 0.5f, sum.data());
    k.max_f32(a.data(), 37, most.data());
    k.sum(a.data(), 37, plus.data());
    bool equal = true;
    for (std::size_t i = 0; i < a.size(); ++i)
      equal &= sum[i] == std::min(std::max(a[i] + b[i], -0.5f), 0.5f) && most[i] == std::max(a[i], b[i]) &&
               plus[i] == a[i] + b[i];
    BOOST_TEST(equal, base::isa_name(isa));
  }
}

BOOST_AUTO_TEST_CASE(steps_that_make_no_sense_are_refused) {
  Step step;
  step.input = step.output = {3, 2, 2};
  BOOST_TEST(!step_kernel_serves(step));
  step.kind = StepKind::quantize;
  BOOST_TEST(!step_kernel_serves(step));
  BOOST_CHECK_THROW(prepare_step(step, 1, {}), base::InternalError);
  step.kind = StepKind::max_pool;
  step.from = Storage::u8;
  BOOST_TEST(!step_kernel_serves(step));
  step.kind = StepKind::relu;
  BOOST_TEST(!step_kernel_serves(step));
  step.kind = StepKind::batch_norm;
  step.from = step.to = Storage::f32;
  BOOST_CHECK_THROW(prepare_step(step, 1, {}), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
