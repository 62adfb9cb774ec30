#include <boost/test/unit_test.hpp>
#include <set>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/integer_joins.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/step_kernels.hpp"
#include "quant/plan.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

NetworkInfo chain() {
  NetworkBuilder b("chain", {3, 8, 8});
  int x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", b.input(), 4, Window::square(3, 1, 1))));
  x = b.max_pool("pool", x, Window::square(2, 2));
  x = b.relu6("relu2", b.batch_norm("bn2", b.conv("conv2", x, 8, Window::square(3, 1, 1))));
  x = b.relu("relu3", b.conv("dw", x, 8, Window::square(3, 1, 1), 8));
  b.linear("fc", b.flatten("flatten", b.global_average_pool("gap", x)), 10);
  return std::move(b).build();
}

NetworkInfo residual() {
  NetworkBuilder b("residual", {4, 8, 8});
  const int x = b.relu("relu0", b.batch_norm("bn0", b.conv("conv0", b.input(), 8, Window::square(3, 1, 1))));
  int y = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", x, 16, Window::square(3, 2, 1))));
  y = b.batch_norm("bn2", b.conv("conv2", y, 16, Window::square(3, 1, 1)));
  const int shortcut = b.batch_norm("bn3", b.conv("down", x, 16, Window::square(1, 2)));
  const int sum = b.relu("relu2", b.add("add", y, shortcut));
  b.linear("fc", b.flatten("flatten", b.global_average_pool("gap", sum)), 10);
  return std::move(b).build();
}

std::vector<std::string> described(const Plan& plan) {
  std::vector<std::string> lines;
  for (const Step& step : plan.steps)
    lines.push_back(plan.network->nodes[static_cast<std::size_t>(step.node)].name + ": " +
                    step.shape_key(*plan.network));
  return lines;
}

void check_sound(const Plan& plan) {
  const NetworkInfo& network = *plan.network;
  const auto storage_of = [&](int step) {
    return step == Step::kNetworkInput ? Storage::f32 : plan.steps[static_cast<std::size_t>(step)].to;
  };
  std::set<int> results;
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    const Step& step = plan.steps[static_cast<std::size_t>(i)];
    BOOST_TEST(step.first < i);
    BOOST_TEST(step.second < i);
    BOOST_TEST((storage_of(step.first) == step.from));
    const bool two = step.kind == StepKind::add || step.kind == StepKind::matmul;
    BOOST_TEST((step.second != Step::kNothing) == two);
    if (two) BOOST_TEST((storage_of(step.second) == step.second_from));
    BOOST_TEST((step.scale_of >= 0 || step.tensor >= 0) == (step.to != Storage::f32));
    BOOST_TEST((step.activation >= 0) == step.fused_relu);
    BOOST_TEST((step.output == network.nodes[static_cast<std::size_t>(step.result)].output));
    if (step.kind != StepKind::layer) {
      BOOST_TEST(step_kernel_serves(step));
      continue;
    }
    const LayerInfo& layer = network.layers[static_cast<std::size_t>(step.layer)];
    const KernelRow* row = find_kernel_row(step.kernel);
    BOOST_REQUIRE(row != nullptr);
    BOOST_TEST(row->serves(layer, step.bits, step.from, step.to));
    BOOST_TEST(results.insert(step.layer).second);
  }
  BOOST_TEST(results.size() == network.layers.size());
  BOOST_TEST(plan.steps.back().result == static_cast<int>(network.nodes.size()) - 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lowering)

BOOST_AUTO_TEST_CASE(a_chain_of_integer_layers_hands_integers_on) {
  const NetworkInfo network = chain();
  const Plan plan = lower(network, uniform_policy(network, {4, 8}));
  const std::vector<std::string> expected = {
      "input: quantize 3x8x8 f32 -> s8",
      "conv1: conv 3x8x8 -> 4x8x8 k3x3 s1 p1 g1 s8 -> u8 relu",
      "pool: max_pool 4x8x8 -> 4x4x4 k2x2 s2 p0 u8 -> u8",
      "conv2: conv 4x4x4 -> 8x4x4 k3x3 s1 p1 g1 u8 -> u8 relu",
      "dw: depthwise 8x4x4 -> 8x4x4 k3x3 s1 p1 g8 u8 -> f32 relu",
      "gap: global_average_pool 8x4x4 -> 8 f32 -> u8",
      "fc: linear 8 -> 10 u8 -> f32",
  };
  BOOST_TEST(described(plan) == expected, boost::test_tools::per_element());
  check_sound(plan);
  BOOST_TEST(plan.steps[1].batch_norm == 2);
  BOOST_TEST(plan.steps[1].scale_of == 1);
  BOOST_TEST(network.nodes[static_cast<std::size_t>(plan.steps[3].activation)].name == "relu2");
}

NetworkInfo attention() {
  NetworkBuilder b("attention", {8, 2, 3});
  const int x = b.layer_norm("norm", b.position("position", b.input()));
  const auto operand = [&](const std::string& name) {
    return b.quantize(name + ".quantize", b.conv(name, x, 8, Window::square(1)));
  };
  const int query = operand("query"), key = operand("key"), value = operand("value");
  const int scores = b.matmul("scores", query, key, 2, true, 0.5f);
  const int shares = b.quantize("shares", b.softmax("softmax", scores, 2));
  b.conv("project", b.gelu("gelu", b.matmul("mix", shares, value, 2, false)), 4, Window::square(1));
  return std::move(b).build();
}

BOOST_AUTO_TEST_CASE(attention_multiplies_integers_where_the_network_is_quantized) {
  const NetworkInfo network = attention();
  const Plan plan = lower(network, uniform_policy(network, {4, 8}));
  const std::vector<std::string> expected = {
      "position: position 8x2x3 f32 -> f32",
      "norm: layer_norm 8x2x3 f32 -> f32",
      "norm: quantize 8x2x3 f32 -> s8",
      "query: conv 8x2x3 -> 8x2x3 k1x1 s1 p0 g1 s8 -> s8",
      "key: conv 8x2x3 -> 8x2x3 k1x1 s1 p0 g1 s8 -> s8",
      "value: conv 8x2x3 -> 8x2x3 k1x1 s1 p0 g1 s8 -> s8",
      "scores: matmul 8x2x3 x 8x2x3 -> 12x2x3 g2 transposed s8 -> f32",
      "softmax: softmax 12x2x3 g2 f32 -> u8",
      "mix: matmul 12x2x3 x 8x2x3 -> 8x2x3 g2 u8 + s8 -> f32",
      "gelu: gelu 8x2x3 f32 -> s8",
      "project: conv 8x2x3 -> 4x2x3 k1x1 s1 p0 g1 s8 -> f32",
  };
  BOOST_TEST(described(plan) == expected, boost::test_tools::per_element());
  check_sound(plan);
  const Plan floats = lower(network, uniform_policy(network, {kFloatBits, kFloatBits}));
  for (const Step& step : floats.steps) BOOST_TEST((step.from == Storage::f32 && step.to == Storage::f32));
  check_sound(floats);
}

BOOST_AUTO_TEST_CASE(what_an_addition_or_two_layers_read_stays_f32) {
  const NetworkInfo network = residual();
  const Plan plan = lower(network, uniform_policy(network, {4, 8}));
  const std::vector<std::string> expected = {
      "input: quantize 4x8x8 f32 -> s8",
      "conv0: conv 4x8x8 -> 8x8x8 k3x3 s1 p1 g1 s8 -> f32 relu",
      "relu0: quantize 8x8x8 f32 -> u8",
      "conv1: conv 8x8x8 -> 16x4x4 k3x3 s2 p1 g1 u8 -> u8 relu",
      "conv2: conv 16x4x4 -> 16x4x4 k3x3 s1 p1 g1 u8 -> f32",
      "down: conv 8x8x8 -> 16x4x4 k1x1 s2 p0 g1 u8 -> f32",
      "add: add 16x4x4 f32 -> f32 relu",
      "gap: global_average_pool 16x4x4 -> 16 f32 -> u8",
      "fc: linear 16 -> 10 u8 -> f32",
  };
  BOOST_TEST(described(plan) == expected, boost::test_tools::per_element());
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(readers_with_other_bits_get_a_quantization_of_their_own) {
  const NetworkInfo network = residual();
  Policy policy = uniform_policy(network, {4, 8});
  policy.layers[3].activation = 4;
  const Plan plan = lower(network, policy);
  int quantizations = 0;
  for (const Step& step : plan.steps)
    quantizations +=
        step.kind == StepKind::quantize && network.nodes[static_cast<std::size_t>(step.node)].name == "relu0";
  BOOST_TEST(quantizations == 2);
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(float_and_weight_only_layers_have_no_quantization_before_them) {
  const NetworkInfo network = chain();
  for (LayerFormats bits : {LayerFormats{}, LayerFormats{4, kFloatBits}, LayerFormats{8, kFloatBits}}) {
    const Plan plan = lower(network, uniform_policy(network, bits));
    for (const Step& step : plan.steps) {
      BOOST_TEST((step.kind != StepKind::quantize));
      BOOST_TEST((step.to == Storage::f32));
    }
    check_sound(plan);
  }
}

BOOST_AUTO_TEST_CASE(a_float_layer_in_front_of_an_integer_layer_is_quantized_after) {
  const NetworkInfo network = chain();
  Policy policy = uniform_policy(network, {4, 8});
  policy.layers[1] = {};
  const Plan plan = lower(network, policy);
  const auto lines = described(plan);
  BOOST_TEST(lines[1] == "conv1: conv 3x8x8 -> 4x8x8 k3x3 s1 p1 g1 s8 -> f32 relu");
  BOOST_TEST(lines[2] == "pool: max_pool 4x8x8 -> 4x4x4 k2x2 s2 p0 f32 -> f32");
  BOOST_TEST(lines[3] == "conv2: conv 4x4x4 -> 8x4x4 k3x3 s1 p1 g1 f32 -> f32 relu");
  BOOST_TEST(lines[4] == "relu2: quantize 8x4x4 f32 -> u8");
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_fused_is_a_step_of_its_own) {
  NetworkBuilder b("loose", {4, 6, 6});
  int x = b.relu("relu0", b.batch_norm("bn0", b.input()));
  const int conv = b.conv("conv", x, 4, Window::square(3, 1, 1));
  x = b.add("add", b.relu("relu1", conv), conv);
  x = b.average_pool("avg", b.add("twice", x, x), Window::square(2, 2));
  b.linear("fc", b.flatten("flatten", x), 3);
  const NetworkInfo network = std::move(b).build();
  const Plan plan = lower(network, uniform_policy(network, {8, 8}));
  const std::vector<std::string> expected = {
      "bn0: batch_norm 4x6x6 f32 -> f32",      "relu0: relu 4x6x6 f32 -> f32",
      "relu0: quantize 4x6x6 f32 -> u8",       "conv: conv 4x6x6 -> 4x6x6 k3x3 s1 p1 g1 u8 -> f32",
      "relu1: relu 4x6x6 f32 -> f32",          "add: add 4x6x6 f32 -> f32",
      "twice: add 4x6x6 f32 -> f32",           "avg: average_pool 4x6x6 -> 4x3x3 k2x2 s2 p0 f32 -> s8",
      "flatten: flatten 4x3x3 -> 36 s8 -> s8", "fc: linear 36 -> 3 s8 -> f32",
  };
  BOOST_TEST(described(plan) == expected, boost::test_tools::per_element());
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(integer_joins_read_and_write_integers) {
  const NetworkInfo network = with_integer_joins(residual());
  const Plan plan = lower(network, uniform_policy(network, {4, 8}));
  const std::vector<std::string> expected = {
      "input: quantize 4x8x8 f32 -> s8",
      "conv0: conv 4x8x8 -> 8x8x8 k3x3 s1 p1 g1 s8 -> f32 relu",
      "relu0: quantize 8x8x8 f32 -> u8",
      "conv1: conv 8x8x8 -> 16x4x4 k3x3 s2 p1 g1 u8 -> u8 relu",
      "conv2: conv 16x4x4 -> 16x4x4 k3x3 s1 p1 g1 u8 -> s8",
      "down: conv 8x8x8 -> 16x4x4 k1x1 s2 p0 g1 u8 -> s8",
      "add: add 16x4x4 s8 -> u8 relu",
      "gap: global_average_pool 16x4x4 -> 16 u8 -> u8",
      "fc: linear 16 -> 10 u8 -> f32",
  };
  BOOST_TEST(described(plan) == expected, boost::test_tools::per_element());
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(readers_of_a_joins_integers_take_them_at_8_bits_and_convert_them_else) {
  NetworkBuilder b("identity", {8, 8, 8});
  const int x = b.relu("relu0", b.conv("conv0", b.input(), 8, Window::square(3, 1, 1)));
  const int sum = b.add("add", b.conv("conv1", x, 8, Window::square(3, 1, 1)), x);
  b.linear("fc", b.flatten("flatten", b.global_average_pool("gap", sum)), 10);
  const NetworkInfo network = with_integer_joins(std::move(b).build());
  const auto with_conv1_at = [&](LayerFormats bits) {
    Policy policy = uniform_policy(network, {8, 8});
    policy.layers[1] = bits;
    const Plan plan = lower(network, policy);
    check_sound(plan);
    return described(plan);
  };
  const auto at8 = with_conv1_at({8, 8}), at4 = with_conv1_at({8, 4}),
             at_floats = with_conv1_at({8, kFloatBits});
  BOOST_TEST(at8[1] == "conv0: conv 8x8x8 -> 8x8x8 k3x3 s1 p1 g1 s8 -> u8 relu");
  BOOST_TEST(at8[2] == "conv1: conv 8x8x8 -> 8x8x8 k3x3 s1 p1 g1 u8 -> s8");
  BOOST_TEST(at8[3] == "add: add 8x8x8 s8 + u8 -> s8");
  BOOST_TEST(at4[2] == "relu0.quantize: quantize 8x8x8 u8 -> u8");
  BOOST_TEST(at4[3] == "conv1: conv 8x8x8 -> 8x8x8 k3x3 s1 p1 g1 u8 -> s8");
  BOOST_TEST(at_floats[2] == "relu0.quantize: quantize 8x8x8 u8 -> f32");
  BOOST_TEST(at_floats[3] == "conv1: conv 8x8x8 -> 8x8x8 k3x3 s1 p1 g1 f32 -> f32");
  BOOST_TEST(at_floats[4] == "conv1.quantize: quantize 8x8x8 f32 -> s8");
}

BOOST_AUTO_TEST_CASE(a_network_in_fp32_has_no_integers_in_its_joins) {
  const NetworkInfo network = with_integer_joins(residual());
  for (const Step& step : lower(network, uniform_policy(network, {})).steps) {
    BOOST_TEST((step.kind != StepKind::quantize));
    BOOST_TEST((step.from == Storage::f32 && step.to == Storage::f32));
  }
}

BOOST_AUTO_TEST_CASE(integer_joins_keep_layers_and_quantize_each_tensor_once) {
  const NetworkInfo plain = residual(), network = with_integer_joins(plain);
  BOOST_TEST(network.layers.size() == plain.layers.size());
  for (std::size_t i = 0; i < plain.layers.size(); ++i)
    BOOST_TEST(network.layers[i].name == plain.layers[i].name);
  BOOST_TEST(network.quantize_nodes().size() == 3u);  // both operands of the sum, and what is pooled
  BOOST_TEST(with_integer_joins(network).hash() == network.hash());
  BOOST_TEST(network.hash() != plain.hash());
}

BOOST_AUTO_TEST_CASE(a_chooser_names_the_kernels) {
  struct Slowest final : KernelChooser {
    std::string choose(const LayerInfo& layer, const Step& step) const override {
      std::string name;
      for (const KernelRow& row : kernel_rows())
        if (row.serves(layer, step.bits, step.from, step.to)) name = row.name;
      return name;
    }
  };
  const NetworkInfo network = chain();
  const Plan plan = lower(network, uniform_policy(network, {4, 8}), Slowest{});
  BOOST_TEST(plan.steps[1].kernel.find("packed_int4") == 0u);
  check_sound(plan);
}

BOOST_AUTO_TEST_CASE(every_uniform_policy_lowers_soundly_and_always_the_same) {
  for (const NetworkInfo& network :
       {chain(), residual(), with_integer_joins(chain()), with_integer_joins(residual())})
    for (int weight = 2; weight <= 8; ++weight)
      for (int activation : {2, 3, 4, 5, 6, 7, 8, kFloatBits}) {
        const Policy policy = uniform_policy(network, {weight, activation});
        const Plan plan = lower(network, policy), again = lower(network, policy);
        check_sound(plan);
        BOOST_TEST((described(plan) == described(again)));
      }
}

BOOST_AUTO_TEST_CASE(keys_spell_out_uneven_windows) {
  NetworkBuilder b("n", {4, 8, 9});
  b.conv("c", 0, 6, Window{5, 3, 1, 2, 1, 2, 2, 0, 1, 1}, 2);
  const NetworkInfo network = std::move(b).build();
  const Plan plan = lower(network, uniform_policy(network, {}));
  BOOST_TEST(plan.steps[0].shape_key(network) == "conv 4x8x9 -> 6x7x3 k5x3 s1x2 p2,0,1,1 d1x2 g2 f32 -> f32");
}

BOOST_AUTO_TEST_CASE(an_invalid_policy_is_refused) {
  const NetworkInfo network = chain();
  BOOST_CHECK_THROW(lower(network, Policy{}), base::UserError);
  BOOST_CHECK_THROW(lower(network, uniform_policy(network, {kFloatBits, 8})), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
