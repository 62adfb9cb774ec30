// Every activation method against its paper's formulas in float64, in parts and pieces.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <map>

#include "quant/qat_methods.hpp"
#include "tests/trainer/qat/house.hpp"
#include "trainer/layers/activation_quantizer.hpp"
#include "trainer/qat/activation_method.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::ActivationMethod;

namespace {

constexpr int kElements = 12;  // inputs of `second`
constexpr int kSamples = 6;

struct Point {
  double value = 0, gradient = 0;  ///< of y, and dy/dx
  double size = 0, offset = 0;     ///< dy / d(step or clip), dy / d(offset)
};
struct Numbers {
  double step, clip, offset, low, high;
};

Point lsq(double x, const Numbers& n) {
  const double v = (x - n.offset) / n.step, q = std::nearbyint(std::clamp(v, n.low, n.high));
  const bool inside = v >= n.low && v <= n.high;
  return {q * n.step + n.offset, inside ? 1.0 : 0.0, inside ? q - v : q, inside ? 0.0 : 1.0};
}
Point straight_through(double x, const Numbers& n) {
  const double q = std::nearbyint(x / n.step);
  return {std::clamp(q, n.low, n.high) * n.step, q >= n.low && q <= n.high ? 1.0 : 0.0};
}
Point pact(double x, const Numbers& n) {
  const double least = n.low < 0 ? -n.clip : 0, scale = n.clip / n.high;
  const double clipped = std::clamp(x, least, n.clip);
  const double edge = x >= n.clip ? 1 : n.low < 0 && x <= -n.clip ? -1 : 0;
  return {std::nearbyint(clipped / scale) * scale, x > least && x < n.clip ? 1.0 : 0.0, edge};
}
Point dorefa(double x, const Numbers& n) {
  const double least = n.low < 0 ? -1 : 0;
  return {std::nearbyint(std::clamp(x, least, 1.0) * n.high) / n.high, x >= least && x <= 1 ? 1.0 : 0.0};
}
Point binary(double x, const Numbers& n) {
  if (n.low < 0) return {x >= 0 ? 1.0 : -1.0, std::abs(x) <= 1 ? 1.0 : 0.0};
  return {x > 0.5 ? 1.0 : 0.0, x >= 0 && x <= 1 ? 1.0 : 0.0};
}

using Reference = Point (*)(double, const Numbers&);
const std::map<ActivationMethod, Reference> kReferences{
    {ActivationMethod::straight_through, straight_through},
    {ActivationMethod::dorefa, dorefa},
    {ActivationMethod::pact, pact},
    {ActivationMethod::lsq, lsq},
    {ActivationMethod::lsq_plus, lsq},
    {ActivationMethod::binary, binary},
};

double learned(const Network& network, const char* name, double otherwise) {
  const Parameter* found = network.find_parameter(std::string("second.") + name);
  return found != nullptr ? static_cast<double>(found->value[0]) : otherwise;
}

void compare(ActivationMethod method, bool is_signed) {
  Network network(test::two_layers(!is_signed), 1);
  LayerQuantization wanted_quantization;
  wanted_quantization.activation_method = method;
  wanted_quantization.activation_signed = is_signed;
  wanted_quantization.activation_bits = method == ActivationMethod::binary ? (is_signed ? 2 : 1) : 3;
  wanted_quantization.activation_scale = 0.21f;
  network.set_quantization(1, wanted_quantization);
  if (Parameter* offset = network.find_parameter("second.input_offset")) offset->value[0] = -0.13f;
  const LayerQuantization& q = network.quantization(1);
  const auto range = quant::integer_range(q.activation_bits, is_signed);
  Numbers numbers{};
  numbers.step = learned(network, "input_step", static_cast<double>(input_scale(q)));
  numbers.clip = learned(network, "input_clip", 0);
  numbers.offset = learned(network, "input_offset", 0);
  numbers.low = range.low;
  numbers.high = range.high;

  const auto x = test::normal_numbers(kSamples * kElements, 1, 6), dy = test::normal_numbers(x.size(), 1, 7);
  std::vector<float> y(x.size()), dx = dy;
  ActivationQuantizer quantizer;
  quantizer.reserve(2);
  for (int pass = 0; pass < 2; ++pass) {  // the second as if there had been no first
    quantizer.prepare(q);
    dx = dy;
    quantizer.fake_quantize(x.data(), kSamples, kElements, y.data());
    // Part 0 in pieces of 1 and 2 samples, part 1 in one of 3.
    quantizer.backward(1, true, &x[3 * kElements], 3, kElements, &dx[3 * kElements]);
    quantizer.backward(0, true, &x[0], 1, kElements, &dx[0]);
    quantizer.backward(0, false, &x[kElements], 2, kElements, &dx[kElements]);
    quantizer.finish_backward(2);
  }
  double size = 0, offset = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Point point = kReferences.at(method)(static_cast<double>(x[i]), numbers);
    const auto g = static_cast<double>(dy[i]);
    BOOST_TEST(std::abs(static_cast<double>(y[i]) - point.value) < 1e-5);
    BOOST_TEST(std::abs(static_cast<double>(dx[i]) - g * point.gradient) < 1e-6);
    size += g * point.size;
    offset += g * point.offset;
  }
  BOOST_TEST(quantizer.gives_integers() == quant::activation_method_row(method).integers);
  if (quantizer.gives_integers()) {
    std::vector<std::int8_t> integers(x.size());
    quantizer.quantize(x.data(), std::ssize(x), integers.data());
    for (std::size_t i = 0; i < x.size(); ++i)
      BOOST_TEST(static_cast<float>(integers[i]) * quantizer.scale() == y[i]);
  }
  BOOST_TEST((q.learned.input_gradient != nullptr) == quant::activation_method_row(method).learns);
  if (q.learned.input_gradient == nullptr) return;
  const double factor = method == ActivationMethod::pact ? 1 : 1 / std::sqrt(kElements * numbers.high);
  BOOST_TEST(std::abs(q.learned.input_gradient->size - factor * size) < 1e-5);
  if (q.learned.input_offset != nullptr)
    BOOST_TEST(std::abs(q.learned.input_gradient->offset - factor * offset) < 1e-5);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(activation_methods_suite)

BOOST_AUTO_TEST_CASE(every_method_computes_its_papers_formulas) {
  for (const quant::ActivationMethodRow& row : quant::activation_methods()) {
    if (row.method == ActivationMethod::bitnet) continue;  // below: no scale of its own
    for (bool is_signed : {false, true})
      BOOST_TEST_CONTEXT(row.name << (is_signed ? ", signed" : ", unsigned")) {
        compare(row.method, is_signed);
      }
  }
}

BOOST_AUTO_TEST_CASE(bitnet_gives_each_image_the_scale_of_its_largest_magnitude) {
  Network network(test::two_layers(), 1);
  LayerQuantization q;
  q.activation_method = ActivationMethod::bitnet;
  q.activation_dynamic = true;
  q.activation_bits = 8;
  network.set_quantization(1, q);
  ActivationQuantizer quantizer;
  quantizer.prepare(network.quantization(1));
  const auto x = test::normal_numbers(2 * kElements, 1, 6);
  std::vector<float> y(x.size());
  quantizer.fake_quantize(x.data(), 2, kElements, y.data());
  for (std::size_t image = 0; image < 2; ++image) {
    double largest = 0;
    for (std::size_t i = 0; i < kElements; ++i)
      largest = std::max(largest, std::abs(static_cast<double>(x[image * kElements + i])));
    for (std::size_t i = image * kElements; i < (image + 1) * kElements; ++i)
      BOOST_TEST(std::abs(static_cast<double>(y[i]) -
                          std::nearbyint(static_cast<double>(x[i]) * 127 / largest) * largest / 127) < 1e-6);
  }
  BOOST_TEST(!quantizer.gives_integers());
}

BOOST_AUTO_TEST_CASE(an_observed_range_moves_a_hundredth_of_the_way_to_the_largest_value) {
  Network network(test::two_layers(true), 1);
  LayerQuantization q;
  q.observes_input = true;
  q.activation_signed = false;
  q.activation_bits = 4;
  q.activation_scale = 0.1f;
  network.set_quantization(1, q);
  const float x[] = {0.5f, 3.5f, 1.0f, -9.0f};
  float dx[] = {1, 1, 1, 1};
  ActivationQuantizer quantizer;
  quantizer.reserve(2);
  const auto pass = [&] {
    quantizer.prepare(network.quantization(1));
    quantizer.backward(0, true, x, 1, 2, dx);
    quantizer.backward(1, true, x + 2, 1, 2, dx + 2);
    quantizer.finish_backward(2);
  };
  pass();
  BOOST_TEST(network.find_buffer("second.input_range")->value[0] == 1.5f);  // not yet
  network.observe_inputs(true);
  pass();
  BOOST_TEST(network.find_buffer("second.input_range")->value[0] == 1.52f,
             boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(input_scale(network.quantization(1)) == 1.52f / 15, boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_SUITE_END()
