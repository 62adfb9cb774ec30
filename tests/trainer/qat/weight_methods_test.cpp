// Every weight method against its paper's formulas in float64, forward and backward.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <map>

#include "quant/qat_methods.hpp"
#include "tests/trainer/qat/house.hpp"
#include "trainer/layers/weight_quantizer.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::WeightMethod;

namespace {

using Row = std::vector<double>;

/// What a method makes of one row of weights w and of the gradient g with respect to the quantized row.
/// `learned` has the row's learned numbers by name, `numbers` what becomes of them.
struct Wanted {
  Row values, gradient;
  std::map<std::string, double> numbers;
};
using Learned = std::map<std::string, double>;

constexpr double kTop = 3;  // of 3 bits, narrow

double mean_magnitude(const Row& w) {
  double sum = 0;
  for (double v : w) sum += std::abs(v);
  return sum / static_cast<double>(w.size());
}
double most(const Row& w) {
  double largest = 0;
  for (double v : w) largest = std::max(largest, std::abs(v));
  return largest;
}
double sign(double v) { return v >= 0 ? 1 : -1; }

Wanted straight_through(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  const double s = most(w) / kTop;
  for (double& v : wanted.values) v = std::nearbyint(v / s) * s;
  return wanted;  // nothing lies beyond the largest weight
}

Wanted lsq(const Row& w, const Row& g, Learned learned) {
  Wanted wanted{w, g, {{"weight_step", 0}}};
  const double s = learned.at("weight_step");
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double v = w[i] / s, q = std::nearbyint(std::clamp(v, -kTop, kTop));
    const bool inside = std::abs(v) <= kTop;
    wanted.values[i] = q * s;
    wanted.gradient[i] = inside ? g[i] : 0;
    sum += g[i] * (inside ? q - v : q);
  }
  wanted.numbers["weight_step"] = sum / std::sqrt(static_cast<double>(w.size()) * kTop);
  return wanted;
}

Wanted bwn(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  const double alpha = mean_magnitude(w);
  for (std::size_t i = 0; i < w.size(); ++i) {
    wanted.values[i] = alpha * sign(w[i]);
    wanted.gradient[i] = g[i] * (1.0 / static_cast<double>(w.size()) + (std::abs(w[i]) <= 1 ? alpha : 0));
  }
  return wanted;
}

Wanted binary_connect(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  for (double& v : wanted.values) v = sign(v);
  return wanted;
}

Wanted twn(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  const double delta = 0.7 * mean_magnitude(w);
  double sum = 0, kept = 0;
  for (double v : w)
    if (std::abs(v) > delta) {
      sum += std::abs(v);
      ++kept;
    }
  for (double& v : wanted.values) v = std::abs(v) > delta ? sign(v) * sum / kept : 0;
  return wanted;
}

/// Before the first step, the two halves sum to the ternary weights; w is the row they came from.
Wanted ternary_split(const Row& w, const Row& g, Learned) { return twn(w, g, {}); }

Wanted ttq(const Row& w, const Row& g, Learned learned) {
  Wanted wanted{w, g, {{"weight_positive", 0}, {"weight_negative", 0}}};
  const double delta = 0.05 * most(w), top = learned.at("weight_positive"),
               bottom = learned.at("weight_negative");
  for (std::size_t i = 0; i < w.size(); ++i) {
    const int code = std::abs(w[i]) <= delta ? 0 : w[i] > 0 ? 1 : -1;
    wanted.values[i] = code > 0 ? top : code < 0 ? -bottom : 0;
    wanted.gradient[i] = g[i] * (code > 0 ? top : code < 0 ? bottom : 1);
    if (code > 0) wanted.numbers["weight_positive"] += g[i];
    if (code < 0) wanted.numbers["weight_negative"] -= g[i];
  }
  return wanted;
}

Wanted bitnet(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  const double gamma = mean_magnitude(w);
  for (double& v : wanted.values) v = std::clamp(std::nearbyint(v / gamma), -1.0, 1.0) * gamma;
  return wanted;
}

/// One row for all weights, as DoReFa has it.
Wanted dorefa(const Row& w, const Row& g, Learned) {
  Wanted wanted{w, g, {}};
  const double largest = std::tanh(most(w));
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double t = std::tanh(w[i]);
    wanted.values[i] = std::nearbyint(kTop * t / largest) / kTop;
    wanted.gradient[i] = g[i] * (1 - t * t) / largest;
  }
  return wanted;
}

using Reference = Wanted (*)(const Row&, const Row&, Learned);
const std::map<WeightMethod, Reference> kReferences{
    {WeightMethod::straight_through, straight_through},
    {WeightMethod::format, straight_through},
    {WeightMethod::dorefa, dorefa},
    {WeightMethod::lsq, lsq},
    {WeightMethod::lsq_plus, lsq},
    {WeightMethod::binary_connect, binary_connect},
    {WeightMethod::bwn, bwn},
    {WeightMethod::xnor, bwn},
    {WeightMethod::ternary_split, ternary_split},
    {WeightMethod::twn, twn},
    {WeightMethod::ttq, ttq},
    {WeightMethod::bitnet, bitnet},
};

struct Bench {
  explicit Bench(WeightMethod method, std::size_t scales = 4)
      : network(test::two_layers(), 1), weight(*network.find_parameter("second.weight")) {
    weight.value = latent = test::normal_numbers(weight.value.size(), 0.8, 3);
    LayerQuantization q;
    q.weight_format = test::format_for(method);
    q.weight_method = method;
    q.weight_granularity = scales == 1 ? quant::Granularity::tensor : quant::Granularity::channel;
    network.set_quantization(1, q);
    for (std::size_t i = network.own_parameters(); i < network.parameters().size(); ++i)
      if (network.parameters()[i].value.size() == scales)  // away from where they start
        for (float& v : network.parameters()[i].value) v *= 0.7f;
    gradient = test::normal_numbers(weight.value.size(), 1, 4);
  }
  void run() {
    const LayerQuantization& q = network.quantization(1);
    quantizer.update(weight, q);
    weight.gradient = gradient;
    quantizer.backward(weight, q);
  }

  Network network;
  Parameter& weight;
  std::vector<float> latent, gradient;
  WeightQuantizer quantizer;
};

void compare(WeightMethod method, std::size_t rows) {
  Bench bench(method, rows);
  bench.run();
  const std::size_t row = bench.weight.value.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto at = [&](const std::vector<float>& v, std::size_t i) {
      return static_cast<double>(v[r * row + i]);
    };
    Row w(row), g(row);
    for (std::size_t i = 0; i < row; ++i) {
      w[i] = at(bench.latent, i);
      g[i] = at(bench.gradient, i);
    }
    Learned learned;
    for (std::size_t i = bench.network.own_parameters(); i < bench.network.parameters().size(); ++i) {
      const Parameter& number = bench.network.parameters()[i];
      if (number.value.size() == rows)
        learned[number.name.substr(number.name.rfind('.') + 1)] = static_cast<double>(number.value[r]);
    }
    const Wanted wanted = kReferences.at(method)(w, g, learned);
    for (std::size_t i = 0; i < row; ++i) {
      BOOST_TEST(std::abs(static_cast<double>(bench.quantizer.values()[r * row + i]) - wanted.values[i]) <
                 1e-5);
      BOOST_TEST(std::abs(at(bench.weight.gradient, i) - wanted.gradient[i]) < 1e-5);
    }
    for (const auto& [name, value] : wanted.numbers)
      BOOST_TEST(std::abs(static_cast<double>(bench.network.find_parameter("second." + name)->gradient[r]) -
                          value) < 1e-5);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(weight_methods_suite)

BOOST_AUTO_TEST_CASE(every_method_computes_its_papers_formulas) {
  for (const quant::WeightMethodRow& row : quant::weight_methods()) {
    if (row.method == WeightMethod::kmeans) continue;  // below: no rows
    BOOST_TEST_CONTEXT(row.name) {
      compare(row.method, 1);
      if (row.method != WeightMethod::dorefa) compare(row.method, 4);
    }
  }
}

BOOST_AUTO_TEST_CASE(centroids_get_the_mean_gradient_of_their_members_and_weights_none) {
  Bench bench(WeightMethod::kmeans, 4);  // four centroids
  const std::vector<float> codes = bench.network.find_buffer("second.weight_codes")->value;
  bench.run();
  const Parameter& centroids = *bench.network.find_parameter("second.weight_centroids");
  double sum[4] = {}, count[4] = {};
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto k = static_cast<std::size_t>(codes[i]);
    BOOST_TEST(bench.quantizer.values()[i] == centroids.value[k]);
    sum[k] += static_cast<double>(bench.gradient[i]);
    ++count[k];
    BOOST_TEST(bench.weight.gradient[i] == 0.0f);
  }
  for (std::size_t k = 0; k < 4; ++k)
    BOOST_TEST(std::abs(static_cast<double>(centroids.gradient[k]) - sum[k] / count[k]) < 1e-6);
}

BOOST_AUTO_TEST_CASE(centroids_that_pass_each_other_keep_their_members) {
  Bench bench(WeightMethod::kmeans, 4);
  std::vector<float>& centroids = bench.network.find_parameter("second.weight_centroids")->value;
  std::swap(centroids[0], centroids[3]);
  const std::vector<float>& codes = bench.network.find_buffer("second.weight_codes")->value;
  bench.run();
  for (std::size_t i = 0; i < codes.size(); ++i)
    BOOST_TEST(bench.quantizer.values()[i] == centroids[static_cast<std::size_t>(codes[i])]);
  BOOST_TEST(std::ranges::is_sorted(bench.quantizer.encoded().codebook));
}

BOOST_AUTO_TEST_CASE(binary_and_one_bit_dorefa_weights_are_the_sign_times_the_mean_magnitude) {
  Network network(test::two_layers(), 1);
  LayerQuantization q;
  q.weight_format = *quant::find_format("binary");
  q.weight_method = WeightMethod::dorefa;
  network.set_quantization(1, q);
  Parameter& weight = *network.find_parameter("second.weight");
  WeightQuantizer quantizer;
  quantizer.update(weight, network.quantization(1));
  weight.gradient = test::normal_numbers(weight.value.size(), 1, 4);
  const std::vector<float> before = weight.gradient;
  quantizer.backward(weight, network.quantization(1));
  BOOST_TEST(weight.gradient == before, boost::test_tools::per_element());
  BOOST_TEST(quantizer.levels().size() == weight.value.size());
}

BOOST_AUTO_TEST_CASE(both_halves_of_split_ternary_weights_are_trained) {
  Bench bench(WeightMethod::ternary_split);
  const Parameter& second = *bench.network.find_parameter("second.weight_second");
  for (std::size_t i = 0; i < second.value.size(); ++i)  // halves of what was there
    BOOST_TEST(std::abs(bench.weight.value[i] + second.value[i] - bench.latent[i]) < 1e-6f);
  bench.run();
  BOOST_TEST(second.gradient == bench.gradient, boost::test_tools::per_element());
  BOOST_TEST(bench.weight.gradient == bench.gradient, boost::test_tools::per_element());
  for (std::size_t i = 0; i < second.value.size(); ++i) {
    const int signs = (bench.weight.value[i] >= 0 ? 1 : -1) + (second.value[i] >= 0 ? 1 : -1);
    BOOST_TEST(static_cast<int>(bench.quantizer.levels()[i]) == signs / 2);
  }
}

BOOST_AUTO_TEST_CASE(steps_start_as_their_papers_say) {
  Bench bench(WeightMethod::lsq, 1);
  double magnitudes = 0, sum = 0, squares = 0;
  for (float w : bench.latent) {
    const auto v = static_cast<double>(w);
    magnitudes += std::abs(v);
    sum += v;
    squares += v * v;
  }
  const auto n = static_cast<double>(bench.latent.size());
  BOOST_TEST(static_cast<double>(bench.network.find_parameter("second.weight_step")->value[0]) ==
                 0.7 * 2 * magnitudes / n / std::sqrt(kTop),
             boost::test_tools::tolerance(1e-5));
  Bench plus(WeightMethod::lsq_plus, 1);
  const double mean = sum / n, three = 3 * std::sqrt(squares / n - mean * mean);
  BOOST_TEST(static_cast<double>(plus.network.find_parameter("second.weight_step")->value[0]) ==
                 0.7 * std::max(std::abs(mean - three), std::abs(mean + three)) / 4,
             boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(latent_weights_stay_where_binary_methods_keep_them) {
  for (WeightMethod method : {WeightMethod::binary_connect, WeightMethod::xnor}) {
    Bench bench(method);
    for (float& w : bench.weight.value) w *= 0.1f;
    bench.weight.value[0] = 7;
    Tensor x(4, {5, 1, 1});
    std::ranges::copy(test::normal_numbers(20, 1, 8), x.data());
    bench.network.forward(x, Mode::train);
    BOOST_TEST(std::abs(bench.weight.value[0]) <= 1.0f);
    double row = 0;
    for (std::size_t i = 0; i < 12; ++i) row += static_cast<double>(bench.weight.value[12 + i]);
    BOOST_TEST((std::abs(row) < 1e-5) == (method == WeightMethod::xnor));
  }
}

BOOST_AUTO_TEST_SUITE_END()
