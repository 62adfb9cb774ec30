#include "trainer/ptq/ptq.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>

#include "quant/base/error.hpp"
#include "quant/plan.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/integer_network.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

// As in integer_network_test: fp32 sums in the simulation, exact ones in the integer network.
constexpr double kMostDifference = 0.1;

ptq::PtqOptions quick_options() {
  ptq::PtqOptions options;
  options.equalize = options.absorb_biases = true;
  options.sample.images = 96;
  options.adaround.iterations = 200;
  options.sample.positions = 1024;
  options.sample.batch = 128;
  return options;
}

ptq::PtqResult run(Example& example, const quant::Policy& policy, const ptq::PtqOptions& options,
                   const quant::QuantizationOptions& quantization = {}) {
  ptq::PtqHooks hooks;
  hooks.accuracy = [&](Network& network) { return evaluate(network, example.source).accuracy; };
  return ptq::quantize_after_training(example.network, policy, example.source, quantization, options, 1,
                                      hooks);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(post_training)

BOOST_AUTO_TEST_CASE(the_integer_network_computes_what_the_pipeline_leaves) {
  for (const char* name : {"cnn_small", "resnet8", "mobilenet_v2_small"})
    for (int mix = 0; mix < 3; ++mix) {
      Example example(name, static_cast<std::uint64_t>(mix), {3, 16, 16},
                      mix == 1 ? Joins::int8 : Joins::fp32);
      const quant::Policy policy =
          mix == 0 ? quant::uniform_policy(example.network.info(), {4, 8}) : example.random_policy(mix);
      ptq::PtqOptions options = quick_options();
      if (mix == 2) options.bias_correction = ptq::BiasCorrection::analytic;
      ptq::PtqResult result = run(example, policy, options);
      BOOST_TEST_CONTEXT(name << ", policy " << quant::policy_to_string(policy)) {
        IntegerNetwork deployed(result.network, quant::lower(result.network.info(), policy), 7);
        Tensor logits;
        deployed.run_all(example.data.images, logits);
        BOOST_TEST(relative_difference(logits_of(result.network, example.data.images), logits) <=
                   kMostDifference);
        BOOST_TEST(result.errors.size() == policy.layers.size());
      }
    }
}

BOOST_AUTO_TEST_CASE(scales_that_each_image_brings_are_fitted_and_deployed) {
  Example example("mobilenet_v2_small", 1);
  quant::QuantizationOptions dynamic;
  dynamic.activation_scales = quant::ActivationScales::dynamic;
  const quant::Policy policy = quant::uniform_policy(example.network.info(), {4, 6});
  ptq::PtqResult result = run(example, policy, quick_options(), dynamic);
  IntegerNetwork deployed(result.network,
                          quant::lower(result.network.info(), policy, quant::first_capable_kernel(),
                                       quant::ActivationScales::dynamic),
                          7);
  Tensor logits;
  deployed.run_all(example.data.images, logits);
  BOOST_TEST(relative_difference(logits_of(result.network, example.data.images), logits) <= kMostDifference);
  double before = 0, after = 0;
  for (const ptq::LayerRounding& rounding : result.roundings) {
    before += rounding.nearest_loss;
    after += rounding.loss;
  }
  BOOST_TEST(after < before);
}

BOOST_AUTO_TEST_CASE(every_step_is_told_in_its_order) {
  Example example("mobilenet_v2_small", 1);
  const quant::Policy policy = quant::uniform_policy(example.network.info(), {4, 8});
  const auto names = [](const ptq::PtqResult& result) {
    std::string all;
    for (const ptq::PtqStep& step : result.steps) all += step.name + ", ";
    return all;
  };
  const ptq::PtqResult all = run(example, policy, quick_options());
  BOOST_TEST(names(all) == "trained, fold batch norms, equalize, absorb biases, AdaRound, correct biases, ");
  const double trained = all.steps[0].float_accuracy;
  for (std::size_t i = 1; i < 3; ++i)
    BOOST_TEST(std::abs(all.steps[i].float_accuracy - trained) < 0.02);  // of 96 images, one may be a tie
  BOOST_TEST(std::isnan(all.steps[4].float_accuracy));
  BOOST_TEST(all.steps[5].quantized_accuracy > 0.5 * trained);

  ptq::PtqOptions least;
  least.fold_batch_norms = least.equalize = least.absorb_biases = false;
  least.rounding = ptq::Rounding::nearest;
  least.bias_correction = ptq::BiasCorrection::none;
  const ptq::PtqResult plain = run(example, policy, least);
  BOOST_TEST(names(plain) == "trained, ");
  BOOST_TEST(plain.roundings.front().nearest_loss == 0.0);
}

BOOST_AUTO_TEST_CASE(layers_in_fp32_have_no_error_of_their_own) {
  Example example("resnet8", 1);
  quant::Policy policy = quant::uniform_policy(example.network.info(), {4, quant::kFloatBits});
  policy.layers.front() = {};
  const ptq::PtqResult result = run(example, policy, quick_options());
  BOOST_TEST(std::isinf(result.errors.front().weights.sqnr_db));
  BOOST_TEST(std::isinf(result.errors.front().output.sqnr_db));
  BOOST_TEST(result.errors.front().weights.cosine == 1.0);
  BOOST_TEST(result.errors[1].weights.sqnr_db > 10.0);
  BOOST_TEST(result.errors[1].weights.sqnr_db < 40.0);
  BOOST_TEST(result.errors[1].output.cosine > 0.95);
}

BOOST_AUTO_TEST_CASE(a_policy_of_another_network_is_refused) {
  Example example("cnn_small", 1);
  BOOST_CHECK_THROW(run(example, {{{4, 8}}}, quick_options()), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
