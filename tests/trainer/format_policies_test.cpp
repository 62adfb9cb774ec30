#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/serving.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

std::vector<quant::Format> weight_formats() {
  std::vector<quant::Format> formats;
  for (quant::Format format : quant::all_formats())
    if (const auto known = quant::weight_format(format.name())) formats.push_back(*known);
  return formats;
}

/// Root of the mean squared difference over that of `a`.
double relative_difference(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    error += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    size += std::pow(static_cast<double>(a.data()[i]), 2);
  }
  return std::sqrt(error / size);
}

// As in integer_network_test: values near the middle between two levels may take either.
constexpr double kMostDifference = 0.1;

}  // namespace

BOOST_AUTO_TEST_SUITE(format_policies)

BOOST_AUTO_TEST_CASE(there_are_formats_of_every_kind_that_policies_may_hold) {
  const auto formats = weight_formats();
  for (const quant::FormatRow& row : quant::format_rows()) {
    const bool held =
        std::ranges::any_of(formats, [&](quant::Format format) { return format.row().name == row.name; });
    BOOST_TEST(held == (row.name != "uint" && row.properties.deterministic), row.name);
  }
}

BOOST_AUTO_TEST_CASE(every_format_of_weights_runs_deployed_as_it_was_simulated) {
  Example example("resnet8", 4);
  for (const quant::Format format : weight_formats())
    for (const quant::Format activation : {quant::Format(8), quant::Format(4), quant::Format(32)})
      for (const auto granularity : {quant::Granularity::channel, quant::Granularity::tensor}) {
        if (granularity == quant::Granularity::tensor && activation != 8) continue;
        quant::QuantizationOptions options;
        options.weight_granularity = granularity;
        const auto policy = quant::uniform_policy(example.network.info(), {format, activation});
        apply_policy(example.network, policy, example.table, options);
        const quant::Plan plan = quant::lower(example.network.info(), policy);
        const DeployedModel model = deploy(example.network, plan);
        Tensor deployed, read_back;
        IntegerNetwork(model, 32).run_all(example.data.images, deployed);
        IntegerNetwork(model_from_bytes(model_to_bytes(model), "model"), 32)
            .run_all(example.data.images, read_back);
        BOOST_TEST_CONTEXT(quant::policy_to_string({{policy.layers[1]}})) {
          BOOST_TEST(relative_difference(example.network.forward(example.data.images, Mode::evaluate),
                                         deployed) <= kMostDifference);
          BOOST_TEST(std::equal(deployed.data(), deployed.data() + deployed.elements(), read_back.data()));
        }
      }
}

BOOST_AUTO_TEST_CASE(a_file_in_a_format_is_as_small_as_the_format) {
  Example example("resnet8", 4);
  const auto bytes = [&](const char* name) {
    const auto policy = quant::uniform_policy(example.network.info(), {*quant::weight_format(name), 8});
    apply_policy(example.network, policy, example.table, {});
    return static_cast<double>(
        model_to_bytes(deploy(example.network, quant::lower(example.network.info(), policy))).size());
  };
  const double eight = bytes("8"), four = bytes("mxfp4"), two = bytes("ternary"), one = bytes("binary");
  BOOST_TEST(one < two);
  BOOST_TEST(two < four);
  BOOST_TEST(four < eight);
}

BOOST_AUTO_TEST_CASE(decoded_weights_meet_the_values_of_quantized_activations) {
  Example example("cnn_small", 1);
  const auto policy = quant::uniform_policy(example.network.info(), {*quant::find_format("nf4"), 2});
  const quant::Plan plan = example.quantize(policy);
  for (const quant::Step& step : plan.steps)
    if (step.kind == quant::StepKind::layer) {
      BOOST_TEST((step.bits == quant::LayerBits{quant::kFloatBits, quant::kFloatBits}));
      const auto& source = plan.steps[static_cast<std::size_t>(step.first)];
      BOOST_TEST((source.kind == quant::StepKind::quantize && source.from != quant::Storage::f32));
    }
}

BOOST_AUTO_TEST_CASE(dynamic_activations_run_deployed_as_they_were_simulated) {
  quant::QuantizationOptions options;
  options.activation_scales = quant::ActivationScales::dynamic;
  for (const char* name : {"resnet8", "mobilenet_v2_small"}) {
    Example example(name, 4);
    for (const quant::LayerFormats formats :
         {quant::LayerFormats{8, 8}, quant::LayerFormats{4, 8}, quant::LayerFormats{2, 4},
          quant::LayerFormats{*quant::find_format("mxfp4"), 8}, quant::LayerFormats{8, 32}}) {
      const auto policy = quant::uniform_policy(example.network.info(), formats);
      apply_policy(example.network, policy, example.table, options);
      const quant::Plan plan = quant::lower(example.network.info(), policy, quant::first_capable_kernel(),
                                            quant::ActivationScales::dynamic);
      const DeployedModel model = model_from_bytes(model_to_bytes(deploy(example.network, plan)), "model");
      Tensor deployed, alone;
      IntegerNetwork(model, 32).run_all(example.data.images, deployed);
      IntegerNetwork(model, 1).run_all(example.data.images, alone);
      BOOST_TEST_CONTEXT(name << ", " << quant::policy_to_string({{formats}})) {
        BOOST_TEST(relative_difference(example.network.forward(example.data.images, Mode::evaluate),
                                       deployed) <= kMostDifference);
        BOOST_TEST(relative_difference(deployed, alone) <= 1e-5);  // no image's result depends on the others
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(dynamic_activations_and_integer_joins_exclude_each_other) {
  const quant::NetworkInfo joins = build_network("resnet8", {3, 16, 16}, 5, {.joins = Joins::int8});
  BOOST_CHECK_THROW(quant::lower(joins, quant::uniform_policy(joins, {8, 8}), quant::first_capable_kernel(),
                                 quant::ActivationScales::dynamic),
                    base::UserError);
}

BOOST_AUTO_TEST_CASE(fine_tuning_lowers_the_loss_in_formats_that_are_not_integers) {
  for (const char* name : {"ternary", "kmeans3", "mxfp4", "pow2_4", "fp8_e4m3"}) {
    Example example("cnn_small", 6);
    example.quantize(quant::uniform_policy(example.network.info(), {*quant::find_format(name), 8}));
    const double before = evaluate(example.network, example.source).cross_entropy;
    TrainOptions options;
    options.epochs = 3;
    options.batch = 32;
    options.learning_rate = 0.01;
    train(example.network, example.source, options);
    BOOST_TEST(evaluate(example.network, example.source).cross_entropy < before, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
