// Convolutions and linear layers in every arithmetic, quantized or not, against float64.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quant/base/random.hpp"
#include "quant/quantizer.hpp"
#include "tests/trainer/reference_network.hpp"
#include "trainer/layer.hpp"
#include "trainer/parts.hpp"
#include "trainer/quantized_weights.hpp"
#include "trainer/tensor.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::NetworkBuilder;
using quant::Shape;
using quant::Window;
using test::Numbers;
using test::Values;

// Root mean square of the error over that of the reference. fp32: rounding of sums of a few hundred products.
// Integer: the sums are exact, only the multiplication by the scale rounds. bf16: both operands are rounded
// to 8 bits, 2^-9 at most each, errors that sum up like the terms do. A backward pass in bf16 over integers
// multiplies them exactly and rounds only the gradient and, for the input's, the weights.
constexpr double kFp32 = 2e-6, kInteger = 1e-6, kBf16 = 4e-3;

struct Case {
  std::string what;
  int batch;
  Shape input;
  bool is_signed;
  std::function<void(NetworkBuilder&)> build;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"3x3", 5, {16, 6, 6}, false, [](auto& n) { n.conv("l", 0, 16, Window::square(3, 1, 1)); }},
      {"3x3 of signed inputs, strided, with bias",
       4,
       {8, 7, 7},
       true,
       [](auto& n) { n.conv("l", 0, 8, Window::square(3, 2, 1), 1, true); }},
      {"1x1 of odd channels", 3, {19, 4, 4}, false, [](auto& n) { n.conv("l", 0, 7, Window::square(1)); }},
      {"depthwise", 4, {12, 6, 6}, false, [](auto& n) { n.conv("l", 0, 12, Window::square(3, 1, 1), 12); }},
      {"grouped", 2, {8, 5, 5}, true, [](auto& n) { n.conv("l", 0, 16, Window::square(3, 1, 1), 2); }},
      {"linear", 9, {40, 1, 1}, false, [](auto& n) { n.linear("l", 0, 10); }},
  };
  return all;
}

/// One layer over a batch in two parts, each in pieces of at most two samples.
class Harness {
 public:
  Harness(const Case& c, const LayerQuantization& quantization, Arithmetic arithmetic)
      : info_(describe(c)),
        parameters_(make_parameters(info_, 3)),
        quantization_(quantization),
        arithmetic_(arithmetic),
        parts_(cut_into_parts(c.batch, 2)) {
    base::Rng rng(base::derive_seed(5, c.what));
    x.resize(c.batch, c.input);
    dy.resize(c.batch, node().output);
    y.resize(c.batch, node().output);
    dx.resize(c.batch, c.input);
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      const double value = rng.normal();
      x.data()[i] = static_cast<float>(c.is_signed ? value : std::max(0.0, value));
    }
    for (std::int64_t i = 0; i < dy.elements(); ++i) dy.data()[i] = static_cast<float>(rng.normal());
    LayerArguments arguments{.info = info_, .node = node()};
    for (Parameter& p : parameters_) (p.name == "l.weight" ? arguments.weight : arguments.bias) = &p;
    arguments.quantization = &quantization_;
    arguments.arithmetic = &arithmetic_;
    layer_ = layer_row(node().op).make(arguments);
  }

  void run() {
    constexpr int kSizes[] = {1, 2};
    const int parts = static_cast<int>(parts_.size());
    layer_->reserve(parts, kSizes, true);
    std::int64_t scratch_floats = 0;
    for (int size : kSizes) scratch_floats = std::max(scratch_floats, layer_->scratch_floats(size, true));
    Tensor scratch(1, {static_cast<int>(scratch_floats), 1, 1});
    layer_->prepare(Mode::train);
    for_pieces([&](int part, bool first, int at, int samples) {
      ForwardPart piece;
      piece.part = part;
      piece.first = first;
      piece.samples = samples;
      piece.x[0] = x.sample(at);
      piece.y = y.sample(at);
      piece.scratch = scratch.data();
      layer_->forward(piece);
    });
    for_pieces([&](int part, bool first, int at, int samples) {
      BackwardPart piece;
      piece.part = part;
      piece.first = first;
      piece.samples = samples;
      piece.x[0] = x.sample(at);
      piece.dy = dy.sample(at);
      piece.dx[0] = dx.sample(at);
      piece.scratch = scratch.data();
      layer_->backward(piece);
    });
    layer_->finish_backward(parts);
  }

  /// The operands as float64: what is multiplied.
  Values input() const {
    Values values(x.data(), x.data() + x.elements());
    if (!quantization_.quantizes_activations()) return values;
    for (double& v : values) {
      const double scale = static_cast<double>(quantization_.activation_scale);
      const auto range = quant::integer_range(quantization_.activation_bits, quantization_.activation_signed);
      v = scale * std::clamp(std::nearbyint(v / scale), double(range.low), double(range.high));
    }
    return values;
  }
  Values weights() const {
    const QuantizedWeights q = quantize_weights(weight(), quantization_);
    if (q.levels.empty()) return {q.floats.begin(), q.floats.end()};
    Values values;
    const std::size_t row = q.levels.size() / q.scales.size();
    for (std::size_t i = 0; i < q.levels.size(); ++i)
      values.push_back(double(q.levels[i]) * static_cast<double>(q.scales[i / row]));
    return values;
  }
  Values product(const Values& images, const Values& weights, double bias) const {
    Numbers numbers;
    numbers["l.weight"] = weights;
    if (parameters_.size() > 1) {
      numbers["l.bias"] = Values(parameters_[1].value.begin(), parameters_[1].value.end());
      for (double& b : numbers["l.bias"]) b *= bias;
    }
    return test::reference_forward(info_, x.batch(), images, numbers, Mode::train);
  }
  double along_dy(const Values& out) const {
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * static_cast<double>(dy.data()[i]);
    return sum;
  }
  /// A product is linear in each operand: its gradient is what unit vectors give.
  Values weight_gradient() const {
    const Values images = input();
    Values gradient, unit(weight().value.size(), 0.0);
    for (std::size_t i = 0; i < unit.size(); ++i) {
      unit[i] = 1.0;
      gradient.push_back(along_dy(product(images, unit, 0.0)));
      unit[i] = 0.0;
    }
    return gradient;
  }
  /// Straight through where the rounded integer is in range.
  Values input_gradient() const {
    const Values matrix = weights();
    Values gradient, unit(static_cast<std::size_t>(x.elements()), 0.0);
    for (std::size_t i = 0; i < unit.size(); ++i) {
      unit[i] = 1.0;
      const double value = along_dy(product(unit, matrix, 0.0));
      gradient.push_back(clipped(x.data()[i]) ? 0.0 : value);
      unit[i] = 0.0;
    }
    return gradient;
  }
  const Parameter& weight() const { return parameters_[0]; }

  Tensor x, y, dy, dx;

 private:
  static quant::NetworkInfo describe(const Case& c) {
    NetworkBuilder builder("one", c.input);
    c.build(builder);
    return std::move(builder).build();
  }
  const quant::Node& node() const { return info_.nodes[1]; }
  bool clipped(float value) const {
    if (!quantization_.quantizes_activations()) return false;
    const auto range = quant::integer_range(quantization_.activation_bits, quantization_.activation_signed);
    const float rounded = std::nearbyint(value / quantization_.activation_scale);
    return rounded < float(range.low) || rounded > float(range.high);
  }
  void for_pieces(const std::function<void(int part, bool first, int at, int samples)>& work) const {
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (int at = 0; at < parts_[p].samples; at += 2)
        work(static_cast<int>(p), at == 0, parts_[p].first + at, std::min(2, parts_[p].samples - at));
  }

  quant::NetworkInfo info_;
  std::vector<Parameter> parameters_;
  LayerQuantization quantization_;
  Arithmetic arithmetic_;
  std::vector<Part> parts_;
  std::unique_ptr<Layer> layer_;
};

template <typename Got>
double relative_error(const Got* got, const Values& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double d = static_cast<double>(got[i]) - expected[i];
    error += d * d;
    size += expected[i] * expected[i];
  }
  return std::sqrt(error / size);
}

constexpr Arithmetic kArithmetics[] = {{ForwardArithmetic::fp32, BackwardArithmetic::fp32},
                                       {ForwardArithmetic::bf16, BackwardArithmetic::bf16},
                                       {ForwardArithmetic::integer, BackwardArithmetic::fp32},
                                       {ForwardArithmetic::integer, BackwardArithmetic::bf16}};

LayerQuantization of_bits(int bits, bool is_signed) {
  LayerQuantization q;
  q.weight_format = bits;
  q.activation_bits = bits;
  q.activation_signed = is_signed;
  // Clips the largest inputs, of deviation 1, at any number of bits.
  q.activation_scale = 1.7f / static_cast<float>(quant::integer_range(bits, is_signed).high);
  return q;
}

void check(const Case& c, const LayerQuantization& quantization, Arithmetic arithmetic) {
  Harness harness(c, quantization, arithmetic);
  harness.run();
  // Integers are exact in bf16.
  const bool rounds = arithmetic.forward == ForwardArithmetic::bf16 && !quantization.quantizes_weights();
  const double forward = rounds ? kBf16 : kFp32;
  const double backward = arithmetic.backward == BackwardArithmetic::bf16 ? kBf16 : kFp32;
  BOOST_TEST(relative_error(harness.y.data(), harness.product(harness.input(), harness.weights(), 1.0)) <
             forward);
  BOOST_TEST(relative_error(harness.weight().gradient.data(), harness.weight_gradient()) < backward);
  BOOST_TEST(relative_error(harness.dx.data(), harness.input_gradient()) < backward);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(product_arithmetic)

BOOST_AUTO_TEST_CASE(every_arithmetic_agrees_with_float64_forward_and_backward) {
  for (const Case& c : cases())
    for (const Arithmetic arithmetic : kArithmetics)
      BOOST_TEST_CONTEXT(c.what << ", forward " << int(arithmetic.forward) << ", backward "
                                << int(arithmetic.backward))
  check(c, {}, arithmetic);
}

BOOST_AUTO_TEST_CASE(quantized_products_agree_with_float64_on_the_same_levels) {
  for (const Case& c : cases())
    for (int bits : {2, 4, 8})
      for (const Arithmetic arithmetic : kArithmetics)
        BOOST_TEST_CONTEXT(c.what << ", " << bits << " bits, forward " << int(arithmetic.forward)
                                  << ", backward " << int(arithmetic.backward))
  check(c, of_bits(bits, c.is_signed), arithmetic);
}

BOOST_AUTO_TEST_CASE(integers_and_fake_quantized_fp32_give_the_same_products) {
  for (const Case& c : cases())
    for (int bits : {2, 4, 8}) BOOST_TEST_CONTEXT(c.what << ", " << bits << " bits") {
        Harness integers(c, of_bits(bits, c.is_signed), {ForwardArithmetic::integer, {}});
        Harness floats(c, of_bits(bits, c.is_signed), {ForwardArithmetic::fp32, BackwardArithmetic::fp32});
        integers.run();
        floats.run();
        const Values expected(floats.y.data(), floats.y.data() + floats.y.elements());
        BOOST_TEST(relative_error(integers.y.data(), expected) < kInteger);
      }
}

BOOST_AUTO_TEST_SUITE_END()
