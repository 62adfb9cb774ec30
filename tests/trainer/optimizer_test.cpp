#include "trainer/optimizer.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr double kRate = 0.1, kDecay = 0.01;
constexpr double kGradients[] = {0.5, -0.3, 0.2};
constexpr float kTolerance = 1e-6f;  // three fp32 steps against float64

std::vector<Parameter> two_parameters() {
  Parameter weight, bias;
  weight.name = "a.weight";
  weight.shape = {1};
  weight.value = {1.0f};
  weight.gradient = {0.0f};
  weight.decays = true;
  bias = weight;
  bias.name = "a.bias";
  bias.decays = false;
  return {weight, bias};
}

void set_gradients(std::vector<Parameter>& parameters, double gradient) {
  for (Parameter& p : parameters) p.gradient[0] = static_cast<float>(gradient);
}

TrainOptions options_of(OptimizerKind kind, bool nesterov = false) {
  TrainOptions options;
  options.optimizer = kind;
  options.weight_decay = kDecay;
  options.nesterov = nesterov;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optimizer)

BOOST_AUTO_TEST_CASE(sgd_starts_its_buffer_as_the_gradient_and_adds_decay_first) {
  for (bool nesterov : {false, true}) {
    auto parameters = two_parameters();
    const auto sgd = make_optimizer(options_of(OptimizerKind::sgd, nesterov));
    double w = 1.0, v = 0.0, b = 1.0, u = 0.0;
    for (int t = 0; t < 3; ++t) {
      set_gradients(parameters, kGradients[t]);
      sgd->step(parameters, kRate);
      const double g = kGradients[t] + kDecay * w;
      v = t == 0 ? g : 0.9 * v + g;
      w -= kRate * (nesterov ? g + 0.9 * v : v);
      u = t == 0 ? kGradients[t] : 0.9 * u + kGradients[t];
      b -= kRate * (nesterov ? kGradients[t] + 0.9 * u : u);
    }
    BOOST_TEST(parameters[0].value[0] == static_cast<float>(w), boost::test_tools::tolerance(kTolerance));
    BOOST_TEST(parameters[1].value[0] == static_cast<float>(b), boost::test_tools::tolerance(kTolerance));
  }
}

BOOST_AUTO_TEST_CASE(adam_corrects_the_bias_of_its_moments) {
  auto parameters = two_parameters();
  const auto adam = make_optimizer(options_of(OptimizerKind::adam));
  double w = 1.0, m = 0.0, v = 0.0;
  for (int t = 0; t < 3; ++t) {
    set_gradients(parameters, kGradients[t]);
    adam->step(parameters, kRate);
    const double g = kGradients[t] + kDecay * w;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    w -= kRate * (m / (1.0 - std::pow(0.9, t + 1))) / (std::sqrt(v / (1.0 - std::pow(0.999, t + 1))) + 1e-8);
  }
  BOOST_TEST(parameters[0].value[0] == static_cast<float>(w), boost::test_tools::tolerance(1e-5f));
}

BOOST_AUTO_TEST_CASE(a_restored_optimizer_goes_on_as_if_never_stopped) {
  for (OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam}) {
    auto straight = two_parameters(), resumed = two_parameters();
    const auto one = make_optimizer(options_of(kind)), first = make_optimizer(options_of(kind)),
               second = make_optimizer(options_of(kind));
    for (int t = 0; t < 3; ++t) {
      set_gradients(straight, kGradients[t]);
      one->step(straight, kRate);
      set_gradients(resumed, kGradients[t]);
      if (t == 1) second->restore(first->state());
      (t == 0 ? first : second)->step(resumed, kRate);
    }
    BOOST_TEST(straight[0].value[0] == resumed[0].value[0]);
  }
}

BOOST_AUTO_TEST_CASE(states_of_other_networks_and_bad_options_are_refused) {
  auto parameters = two_parameters();
  const auto sgd = make_optimizer(options_of(OptimizerKind::sgd));
  sgd->restore({1, {{0.0f, 0.0f}}, {}});
  BOOST_CHECK_THROW(sgd->step(parameters, kRate), base::UserError);
  TrainOptions options;
  options.momentum = 1.5;
  BOOST_CHECK_THROW(make_optimizer(options), base::UserError);
  options = {};
  options.learning_rate = -1.0;
  BOOST_CHECK_THROW(make_optimizer(options), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
