// Decisions that several layers take together, from the action space to whole searches.

#include <boost/test/unit_test.hpp>

#include "quant/base/random.hpp"
#include "quant/tied_layers.hpp"
#include "search/budget.hpp"
#include "search/random_search.hpp"
#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;

namespace {

/// Three blocks, the first and last layer in no tie: layers stem, a0, b0, side0, a1, b1, side1, ..., fc.
/// Where `shared`, the b of all blocks are one weight.
quant::NetworkInfo blocks(bool shared) {
  quant::NetworkBuilder net("blocks", {3, 8, 8});
  int x = net.relu("relu", net.conv("stem", net.input(), 4, quant::Window::square(3, 1, 1)));
  for (int i = 0; i < 3; ++i) {
    const auto named = [i](const char* name) { return name + std::to_string(i); };
    const int a = net.relu(named("ra"), net.conv(named("a"), x, 4, quant::Window::square(3, 1, 1)));
    const int b = net.conv(named("b"), a, 4, quant::Window::square(3, 1, 1));
    const int side = net.conv(named("side"), x, 4, quant::Window::square(1));
    x = net.relu(named("r"), net.add(named("add"), net.add(named("sum"), b, side), x));
  }
  net.linear("fc", net.flatten("flatten", net.global_average_pool("pool", x)), 4);
  quant::NetworkInfo network = std::move(net).build();
  if (shared) network.shared_parameters = {{"b0.weight", "b1.weight", "b2.weight"}};
  return network;
}

SearchOptions tied(TiedActivations kind) {
  SearchOptions options;
  options.tied_activations = kind;
  return options;
}

bool are_one(const quant::NetworkInfo& network, const quant::Policy& policy, bool shared,
             TiedActivations kind) {
  const auto format = [&](int layer, Part part) { return bits_of(policy, {layer, part}); };
  const auto alike = [&](const std::vector<quant::TiedLayers>& groups, Part part) {
    for (const auto& group : groups)
      for (int layer : group)
        if (format(layer, part) != format(group.front(), part)) return false;
    return true;
  };
  if (shared && !alike(quant::layers_of_one_weight(network), Part::weight)) return false;
  if (kind == TiedActivations::tensor) return alike(quant::readers_of_one_tensor(network), Part::activation);
  if (kind == TiedActivations::residual)
    return alike(quant::readers_of_one_residual_stream(network), Part::activation);
  return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tied_decisions)

BOOST_AUTO_TEST_CASE(tied_decisions_are_one_step) {
  const auto steps = [](bool shared, TiedActivations kind) {
    return ActionSpace(blocks(shared), tied(kind), {}).steps().size();
  };
  BOOST_TEST(steps(false, TiedActivations::none) == 18u);      // nine layers that are not pinned
  BOOST_TEST(steps(false, TiedActivations::tensor) == 15u);    // each a with its side
  BOOST_TEST(steps(false, TiedActivations::residual) == 13u);  // three tensors of one stream
  BOOST_TEST(steps(true, TiedActivations::none) == 16u);
}

BOOST_AUTO_TEST_CASE(what_is_pinned_for_one_layer_is_for_those_tied_to_it) {
  quant::NetworkInfo network = blocks(false);
  const int b = network.find_layer("b1");
  network.shared_parameters = {{"stem.weight", "b1.weight"}};
  const ActionSpace space(network, {}, {});
  BOOST_TEST(space.choices(b, Part::weight).size() == 1u);
  BOOST_TEST(space.lowest().layers[static_cast<std::size_t>(b)].weight == 8);
  BOOST_TEST(
      space.pin_layers(quant::uniform_policy(network, {4, 4})).layers[static_cast<std::size_t>(b)].weight ==
      8);

  network.shared_parameters = {{"stem.weight", "fc.weight"}};
  quant::QuantizationOptions options;
  options.first_layer_bits = 8;
  options.last_layer_bits = 4;
  const std::string refusal = toy::message_of([&] { ActionSpace(network, {}, options); });
  BOOST_TEST(toy::contains(refusal, "'stem' and 'fc' have one weight"), refusal);
}

BOOST_AUTO_TEST_CASE(a_policy_that_tells_tied_layers_apart_is_none_of_the_space) {
  const quant::NetworkInfo network = blocks(true);
  const ActionSpace space(network, tied(TiedActivations::tensor), {});
  quant::Policy policy = space.nearest_uniform({6, 6});
  BOOST_TEST(space.allows(policy));
  policy.layers[static_cast<std::size_t>(network.find_layer("side1"))].activation = 4;
  BOOST_TEST(!space.allows(policy));
  policy = space.tie(policy);
  BOOST_TEST(space.allows(policy));
  BOOST_TEST(policy.layers[static_cast<std::size_t>(network.find_layer("a1"))].activation == 4);
}

BOOST_AUTO_TEST_CASE(every_search_keeps_ties_and_budgets) {
  base::Rng rng(3);
  for (const bool shared : {false, true})
    for (const TiedActivations kind :
         {TiedActivations::none, TiedActivations::tensor, TiedActivations::residual})
      for (const double share : {0.3, 0.5, 0.8}) {
        const quant::NetworkInfo network = blocks(shared);
        const SearchOptions options = tied(kind);
        const ActionSpace space(network, options, {});
        const hwmodels::CostModels models(toy::size_and_bops());
        const std::vector<ConstraintSpec> specs = {{"gbops", share, true}, {"size_kib", 0.6, true}};
        const Budget budget(network, space, models, resolve(specs, network, space, models));
        RandomSearch random(space, 5);
        for (const quant::Policy& proposed : random.propose(0, 20)) {
          BOOST_TEST(space.allows(proposed));
          const quant::Policy kept = budget.enforce(proposed);
          BOOST_TEST(are_one(network, kept, shared, kind));
          BOOST_TEST(budget.within(budget.price(kept)));
        }
      }
}

BOOST_AUTO_TEST_CASE(a_budget_that_only_untied_layers_meet_is_refused_without_a_claim_of_proof) {
  const quant::NetworkInfo network = blocks(false);
  // Dear unless a0 has fewer bits than side0, which reads the same tensor.
  const int a = network.find_layer("a0"), side = network.find_layer("side0");
  std::vector<std::unique_ptr<hwmodels::CostModel>> all;
  all.push_back(std::make_unique<toy::FunctionModel>("latency_u", [=](const quant::Policy& policy) {
    return bits_of(policy, {a, Part::activation}) < bits_of(policy, {side, Part::activation}) ? 1.0 : 2.0;
  }));
  const hwmodels::CostModels models(std::move(all));
  const std::vector<ConstraintSpec> specs = {{"latency_u", 1.5, false}};
  const auto refusal = [&](TiedActivations kind) {
    const ActionSpace space(network, tied(kind), {});
    return toy::message_of([&] { Budget(network, space, models, resolve(specs, network, space, models)); });
  };
  BOOST_TEST(refusal(TiedActivations::none) == "(no error)");
  const std::string text = refusal(TiedActivations::tensor);
  BOOST_TEST(toy::contains(text, "no policy was found within the budget"), text);
}

BOOST_AUTO_TEST_SUITE_END()
