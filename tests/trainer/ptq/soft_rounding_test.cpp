#include "trainer/ptq/soft_rounding.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <vector>

#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::ptq;

namespace {

/// A task with numbers of its own; some weights beyond the range.
struct Problem {
  std::vector<float> inputs, targets, weights, scales, bias;
  RoundingTask task;

  explicit Problem(int rows, int depth, int outputs, Activation activation, std::uint64_t seed) {
    base::Rng rng(seed);
    const auto fill = [&](std::vector<float>& values, int n, double size) {
      for (int i = 0; i < n; ++i) values.push_back(static_cast<float>(size * rng.normal()));
    };
    fill(inputs, rows * depth, 1.0);
    fill(weights, outputs * depth, 0.4);
    fill(bias, outputs, 0.5);
    for (int o = 0; o < outputs; ++o) scales.push_back(static_cast<float>(rng.uniform(0.08, 0.2)));
    task.weights = weights.data();
    task.scales = scales.data();
    task.range = quant::integer_range(3, true);
    task.reconstruction = {rows, depth, outputs, inputs.data(), nullptr, bias.data(), activation};
    for (int o = 0; o < outputs; ++o)
      for (int r = 0; r < rows; ++r)
        targets.push_back(static_cast<float>(output(weights, o, r) + 0.1 * rng.normal()));
    // Targets are activations.
    for (float& y : targets) y = std::clamp(y, activation.low, activation.high);
    task.reconstruction.targets = targets.data();
  }

  template <typename T>
  double output(const std::vector<T>& w, int o, int r) const {
    double y = static_cast<double>(bias[static_cast<std::size_t>(o)]);
    for (int k = 0; k < task.reconstruction.depth; ++k)
      y += static_cast<double>(w[static_cast<std::size_t>(o * task.reconstruction.depth + k)]) *
           static_cast<double>(inputs[static_cast<std::size_t>(r * task.reconstruction.depth + k)]);
    return y;
  }

  /// The definition, in double (quantization.md's formulas; Nagel et al. 2020, equations 21 to 24).
  double loss(const std::vector<double>& v, int first, int count, double lambda, double beta) const {
    std::vector<double> soft;
    double penalty = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const auto scale = static_cast<double>(scales[i / static_cast<std::size_t>(task.reconstruction.depth)]);
      const double h = std::clamp(1.2 / (1 + std::exp(-v[i])) - 0.1, 0.0, 1.0);
      const float steps = weights[i] / scales[i / static_cast<std::size_t>(task.reconstruction.depth)];
      soft.push_back(scale * std::clamp(static_cast<double>(std::floor(steps)) + h,
                                        static_cast<double>(task.range.low),
                                        static_cast<double>(task.range.high)));
      if (beta > 0) penalty += 1 - std::pow(std::abs(2 * h - 1), beta);
    }
    const auto activate = [&](double x) {
      return std::clamp(x, static_cast<double>(task.reconstruction.activation.low),
                        static_cast<double>(task.reconstruction.activation.high));
    };
    double squares = 0;
    for (int o = 0; o < task.reconstruction.outputs; ++o)
      for (int r = first; r < first + count; ++r) {
        const double wanted =
            static_cast<double>(targets[static_cast<std::size_t>(o * task.reconstruction.rows + r)]);
        squares += std::pow(activate(output(soft, o, r)) - wanted, 2);
      }
    return squares / count + lambda * penalty;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(soft_rounding)

BOOST_AUTO_TEST_CASE(loss_and_gradient_are_those_of_the_definition_in_double) {
  int compared = 0;
  for (const Activation activation : {Activation{}, Activation::relu(), Activation::relu6()})
    for (const double beta : {0.0, 2.0, 7.3, 20.0}) {
      Problem problem(40, 9, 4, activation, 3);
      SoftRounding soft(problem.task, 16);
      base::Rng rng(8);
      for (float& v : soft.v()) v += static_cast<float>(rng.normal());
      std::vector<double> v(soft.v().begin(), soft.v().end());
      constexpr double lambda = 0.03, h = 1e-5;
      const double loss = soft.loss(7, 16, lambda, beta);
      BOOST_TEST(loss == problem.loss(v, 7, 16, lambda, beta), boost::test_tools::tolerance(1e-5));
      double largest = 0;
      std::vector<double> expected;
      for (double& x : v) {
        const double middle = x;
        x = middle + h;
        const double above = problem.loss(v, 7, 16, lambda, beta);
        x = middle - h;
        expected.push_back((above - problem.loss(v, 7, 16, lambda, beta)) / (2 * h));
        x = middle;
        largest = std::max(largest, std::abs(expected.back()));
      }
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (std::abs(std::abs(v[i]) - std::log(11.0)) < 1e-3) continue;  // the kink of h
        ++compared;
        BOOST_TEST(std::abs(static_cast<double>(soft.gradient()[i]) - expected[i]) < 1e-4 * largest);
      }
    }
  BOOST_TEST(compared > 400);
}

BOOST_AUTO_TEST_CASE(it_starts_at_the_weights_themselves) {
  Problem problem(32, 9, 4, {}, 5);
  SoftRounding soft(problem.task, 32);
  for (std::size_t i = 0; i < problem.weights.size(); ++i) {
    const float steps = problem.weights[i] / problem.scales[i / 9];
    const double h = 1.2 / (1 + std::exp(-static_cast<double>(soft.v()[i]))) - 0.1;
    BOOST_TEST(std::abs(static_cast<double>(std::floor(steps)) + h - static_cast<double>(steps)) < 1e-5);
  }
  // Rounding what has not moved is rounding to nearest.
  std::vector<float> rounded(problem.weights.size());
  soft.round(rounded);
  for (std::size_t i = 0; i < rounded.size(); ++i)
    BOOST_TEST(
        rounded[i] == quant::fake_quantize_one(problem.weights[i], problem.scales[i / 9], problem.task.range),
        boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(learning_finds_the_best_rounding_of_few_weights) {
  Problem problem(256, 6, 1, {}, 11);
  for (float& w : problem.weights) w = std::clamp(w, -0.25f, 0.25f);
  for (int r = 0; r < 256; ++r)
    problem.targets[static_cast<std::size_t>(r)] = static_cast<float>(problem.output(problem.weights, 0, r));
  SoftRounding soft(problem.task, 64);
  for (int i = 0; i < 2000; ++i) {
    soft.loss(64 * (i % 4), 64, 0.01, i < 400 ? 0 : 20 - 18.0 * (i - 400) / 1600);
    soft.descend(0.01);
  }
  std::vector<float> learnt(6);
  std::vector<double> loss(1), best_loss{1e30};
  soft.round(learnt);
  soft.reconstruction().losses(learnt, loss);
  for (int mask = 0; mask < 64; ++mask) {
    std::vector<float> weights(6);
    for (std::size_t i = 0; i < 6; ++i)
      weights[i] = problem.scales[0] *
                   (std::floor(problem.weights[i] / problem.scales[0]) + static_cast<float>((mask >> i) & 1));
    std::vector<double> one(1);
    soft.reconstruction().losses(weights, one);
    best_loss[0] = std::min(best_loss[0], one[0]);
  }
  BOOST_TEST(loss[0] <= 1.2 * best_loss[0]);
}

BOOST_AUTO_TEST_SUITE_END()
