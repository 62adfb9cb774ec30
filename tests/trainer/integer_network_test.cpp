#include "trainer/integer_network.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quant/arena_plan.hpp"
#include "quant/base/error.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "trainer/loss.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

/// How far two sets of logits are apart.
struct Difference {
  double relative = 0;   ///< root of the mean squared difference over that of the logits themselves
  double agreement = 0;  ///< share of images with the same first largest logit
};

Difference compare(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  int same = 0;
  const auto classes = static_cast<std::ptrdiff_t>(a.shape().channels);
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    error += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    size += std::pow(static_cast<double>(a.data()[i]), 2);
  }
  for (int n = 0; n < a.batch(); ++n) {
    const auto best = [&](const Tensor& t) {
      return std::max_element(t.sample(n), t.sample(n) + classes) - t.sample(n);
    };
    same += best(a) == best(b);
  }
  return {std::sqrt(error / size), static_cast<double>(same) / a.batch()};
}

// The simulated forward sums real numbers in fp32, the deployed one integers exactly. Where a value lies
// within fp32's rounding of the middle between two levels, they may take different ones, and that grows
// through later layers: to 1.5 % at uniform 8 bits, and to 6 % in 35 layers of as few as 2 bits.
// Joins in integers round once more each.
constexpr double kMostDifference = 0.1, kMostAt8Bits = 0.03, kMostWithJoins = 0.15;

/// Uniform 8 bits and random policies of three networks; `most`: relative difference at random bits.
void check_against_simulation(Joins joins, double most) {
  for (const char* name :
       {"cnn_small", "resnet8", "mobilenet_v2_small", "lenet5" /* flattens pixels */, "vit_tiny", "varied"})
    for (int mix = 0; mix < 6; ++mix) {
      Example example(name, static_cast<std::uint64_t>(mix), {3, 16, 16}, joins);
      const quant::Policy policy =
          mix == 0 ? quant::uniform_policy(example.network.info(), {8, 8}) : example.random_policy(mix);
      const quant::Plan plan = example.quantize(policy);
      Tensor deployed;
      IntegerNetwork network(example.network, plan, 7);
      network.run_all(example.data.images, deployed);
      const Tensor& simulated = example.network.forward(example.data.images, Mode::evaluate);
      const Difference difference = compare(simulated, deployed);
      BOOST_TEST_CONTEXT(name << ", policy " << quant::policy_to_string(policy)) {
        BOOST_TEST(difference.relative <= (mix == 0 ? kMostAt8Bits : most));
        BOOST_TEST(difference.agreement >= 0.97);
      }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(integer_network)

BOOST_AUTO_TEST_CASE(its_logits_are_those_of_the_fake_quantized_forward) {
  check_against_simulation(Joins::fp32, kMostDifference);
}

BOOST_AUTO_TEST_CASE(integer_additions_and_poolings_are_those_of_the_fake_quantized_forward_too) {
  check_against_simulation(Joins::int8, kMostWithJoins);
}

BOOST_AUTO_TEST_CASE(quantize_nodes_do_nothing_in_fp32) {
  Example plain("resnet8", 3), joins("resnet8", 3, {3, 16, 16}, Joins::int8);
  remove_quantization(joins.network);
  remove_quantization(plain.network);
  const Tensor& a = plain.network.forward(plain.data.images, Mode::evaluate);
  const Tensor& b = joins.network.forward(joins.data.images, Mode::evaluate);
  for (std::int64_t i = 0; i < a.elements(); ++i) BOOST_REQUIRE(a.data()[i] == b.data()[i]);
}

BOOST_AUTO_TEST_CASE(negative_zero_and_tiny_gammas_are_deployed_as_they_are) {
  Example example("resnet8", 5);
  base::Rng rng(3);
  for (Parameter& parameter : example.network.parameters())
    if (parameter.name.find("bn") != std::string::npos && parameter.name.ends_with(".weight"))
      for (std::size_t c = 0; c < parameter.value.size(); ++c) {
        if (c % 3 == 0) parameter.value[c] = -parameter.value[c];
        if (c % 7 == 1) parameter.value[c] = 0.0f;
        if (c % 11 == 2) parameter.value[c] = 1e-30f;
      }
  const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), {8, 8}));
  Tensor deployed;
  IntegerNetwork network(example.network, plan, 16);
  network.run_all(example.data.images, deployed);
  const Difference difference =
      compare(example.network.forward(example.data.images, Mode::evaluate), deployed);
  BOOST_TEST(difference.relative <= kMostAt8Bits);
}

// Also of the images, and where features are flattened behind it.
BOOST_AUTO_TEST_CASE(any_operation_may_come_right_before_a_layer) {
  using quant::Function;
  using quant::Window;
  using Builder = quant::NetworkBuilder;
  const std::pair<const char*, std::function<int(Builder&, const std::string&, int)>> operations[] = {
      {"batch_norm", [](Builder& b, const std::string& n, int x) { return b.batch_norm(n, x); }},
      {"relu6", [](Builder& b, const std::string& n, int x) { return b.relu6(n, x); }},
      {"layer_norm", [](Builder& b, const std::string& n, int x) { return b.layer_norm(n, x); }},
      {"gelu", [](Builder& b, const std::string& n, int x) { return b.gelu(n, x); }},
      {"softmax", [](Builder& b, const std::string& n, int x) { return b.softmax(n, x); }},
      {"position", [](Builder& b, const std::string& n, int x) { return b.position(n, x); }},
      {"function", [](Builder& b, const std::string& n, int x) { return b.function(n, x, Function::silu); }},
      {"prelu", [](Builder& b, const std::string& n, int x) { return b.prelu(n, x); }},
      {"scale", [](Builder& b, const std::string& n, int x) { return b.scale(n, x); }},
      {"scale_relu", [](Builder& b, const std::string& n, int x) { return b.relu(n, b.scale(n + ".s", x)); }},
      {"slice", [](Builder& b, const std::string& n, int x) { return b.slice(n, x, 1, 3); }},
      {"shuffle", [](Builder& b, const std::string& n, int x) { return b.shuffle(n, x, 2); }},
      {"pad", [](Builder& b, const std::string& n, int x) { return b.pad(n, x, 1, 0, 1, 2, 0.5f); }},
      {"resize", [](Builder& b, const std::string& n, int x) { return b.resize(n, x, 2, 1); }},
      {"max_pool",
       [](Builder& b, const std::string& n, int x) { return b.max_pool(n, x, Window::square(2, 2)); }},
      {"average_pool",
       [](Builder& b, const std::string& n, int x) { return b.average_pool(n, x, Window::square(2, 2)); }},
      {"concat", [](Builder& b, const std::string& n, int x) { return b.concat(n, x, x); }},
      {"multiply", [](Builder& b, const std::string& n, int x) { return b.multiply(n, x, x); }},
      {"add", [](Builder& b, const std::string& n, int x) { return b.add(n, x, x); }},
      {"quantize", [](Builder& b, const std::string& n, int x) { return b.quantize(n, x); }},
      {"matmul", [](Builder& b, const std::string& n, int x) { return b.matmul(n, x, x, 1, true, 0.02f); }}};
  const std::set<std::string> of_images = {"pad", "resize", "max_pool", "average_pool", "matmul"};
  constexpr quant::Shape kShape{4, 6, 6};
  for (const auto& [name, operation] : operations)
    for (const quant::LayerFormats formats : {quant::LayerFormats{8, 8}, {4, 5}}) {
      Builder net(name, kShape);
      int x = net.conv("conv1", operation(net, "first", net.input()), 4, Window::square(3, 1, 1), 1, true);
      x = net.conv("conv2", operation(net, "second", net.relu("relu", x)), 4, Window::square(3, 2, 1));
      x = net.flatten("flatten", x);
      if (of_images.find(name) == of_images.end()) x = operation(net, "third", x);
      net.linear("fc", x, Example::kClasses);
      BOOST_TEST_CONTEXT(name << ", " << formats.weight.name()) {
        Example example(std::move(net).build(), kShape, 4);
        const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), formats));
        Tensor deployed;
        IntegerNetwork(example.network, plan, 8).run_all(example.data.images, deployed);
        BOOST_TEST(compare(example.network.forward(example.data.images, Mode::evaluate), deployed).relative <=
                   kMostWithJoins);
      }
    }
}

BOOST_AUTO_TEST_CASE(the_integers_between_two_layers_are_those_of_the_simulation_but_for_ties) {
  Example example("cnn_small", 2);
  const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), {4, 4}));
  const int images = example.data.images.batch();
  IntegerNetwork network(example.network, plan, images);
  std::vector<std::vector<float>> inputs(example.network.info().layers.size());
  // forward_observed shows the values before they are quantized.
  example.network.forward_observed(example.data.images,
                                   [&](int layer, const float* values, std::int64_t count) {
                                     auto& all = inputs[static_cast<std::size_t>(layer)];
                                     all.insert(all.end(), values, values + count);
                                   });
  Tensor logits(images, {network.outputs()});
  std::int64_t compared = 0, different = 0;
  int largest = 0;
  for (int i = 0; i + 1 < static_cast<int>(network.steps().size()); ++i) {
    network.run_step(i, example.data.images.data(), logits.data());
    const quant::Step& step = network.steps()[static_cast<std::size_t>(i)];
    if (step.to == quant::Storage::f32) continue;
    const LayerQuantization& q = example.network.quantization(step.scale_of);
    const auto range = quant::integer_range(q.activation_bits, q.activation_signed);
    const auto& expected = inputs[static_cast<std::size_t>(step.scale_of)];
    const std::int64_t count = step.output.elements() * images;
    BOOST_REQUIRE(static_cast<std::int64_t>(expected.size()) == count);
    for (std::int64_t k = 0; k < count; ++k) {
      const auto byte = static_cast<const std::uint8_t*>(network.step_output(i))[k];
      const int got = step.to == quant::Storage::s8 ? static_cast<std::int8_t>(byte) : byte;
      const int wanted =
          quant::quantize_one(expected[static_cast<std::size_t>(k)], q.activation_scale, range);
      ++compared;
      different += got != wanted;
      largest = std::max(largest, std::abs(got - wanted));
    }
  }
  BOOST_TEST(compared > 10000);
  BOOST_TEST(largest <= 1);
  BOOST_TEST(static_cast<double>(different) / static_cast<double>(compared) < 1e-3);
}

BOOST_AUTO_TEST_CASE(a_batch_computes_what_its_images_compute_alone) {
  Example example("mobilenet_v2_small", 4);
  const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), {5, 6}));
  Tensor alone, together;
  IntegerNetwork(example.network, plan, 1).run_all(example.data.images, alone);
  IntegerNetwork(example.network, plan, 9).run_all(example.data.images, together);
  for (std::int64_t i = 0; i < alone.elements(); ++i) BOOST_REQUIRE(alone.data()[i] == together.data()[i]);
}

BOOST_AUTO_TEST_CASE(activations_that_are_alive_together_never_overlap_in_the_arena) {
  for (const char* name : {"cnn_small", "resnet20", "mobilenet_v2_small", "vit_tiny"}) {
    const quant::NetworkInfo info = build_network(name, {3, 16, 16}, 10);
    const quant::Plan plan = quant::lower(info, quant::uniform_policy(info, {4, 4}));
    const quant::ArenaPlan arena = quant::plan_arena(plan.steps, 3);
    const auto bytes = [&](std::size_t i) {
      return plan.steps[i].output.elements() * 3 * quant::storage_bytes(plan.steps[i].to);
    };
    const auto last_use = [&](std::size_t i) {
      std::size_t last = i;
      for (std::size_t j = i; j < plan.steps.size(); ++j)
        if (plan.steps[j].first == static_cast<int>(i) || plan.steps[j].second == static_cast<int>(i))
          last = j;
      return last;
    };
    std::int64_t sum = 0;
    for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
      BOOST_TEST(arena.offset[i] % quant::ArenaPlan::kAlignment == 0);
      BOOST_TEST(arena.offset[i] + bytes(i) <= arena.bytes);
      sum += bytes(i);
      for (std::size_t j = i + 1; j + 1 < plan.steps.size() && j <= last_use(i); ++j) {
        const bool apart =
            arena.offset[i] + bytes(i) <= arena.offset[j] || arena.offset[j] + bytes(j) <= arena.offset[i];
        // An element-wise step may write over the input that it reads last.
        const bool in_place = j == last_use(i) && plan.steps[j].first == static_cast<int>(i) &&
                              arena.offset[i] == arena.offset[j] && quant::runs_in_place(plan.steps[j].kind);
        BOOST_TEST((apart || in_place), name << ": steps " << i << " and " << j);
      }
    }
    BOOST_TEST(arena.bytes < sum);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_without_images_is_refused) {
  Example example("cnn_small", 1);
  const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), {8, 8}));
  BOOST_CHECK_THROW(IntegerNetwork(example.network, plan, 0), base::UserError);
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_not_finite_is_refused_by_name) {
  Example example("cnn_small", 1);
  const quant::Plan plan = example.quantize(quant::uniform_policy(example.network.info(), {8, 8}));
  example.network.find_parameter("bn1.bias")->value[0] = std::numeric_limits<float>::quiet_NaN();
  BOOST_CHECK_EXCEPTION(deploy(example.network, plan), base::UserError, [](const base::UserError& error) {
    return std::string(error.what()).find("conv1") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
