#include "search/uniform.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/search/house.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using namespace bitsmith::search::toy;

BOOST_AUTO_TEST_SUITE(uniform_policies)

BOOST_AUTO_TEST_CASE(only_undominated_ones_within_the_budget_are_listed) {
  const House house(5);
  const Budget budget = house.budget({{"size_kib", 0.6, true}, {"gbops", 0.4, true}});
  const auto listed = uniform_within(budget);
  BOOST_TEST(!listed.empty());
  for (const NamedPolicy& a : listed) {
    BOOST_TEST(budget.within(budget.price(a.policy)), a.name);
    BOOST_TEST((a.policy.layers.front() == quant::LayerFormats{8, 8}));
    for (const NamedPolicy& b : listed) {
      const quant::LayerFormats x = a.policy.layers[1], y = b.policy.layers[1];
      if (a.name != b.name) BOOST_TEST(!(x.weight >= y.weight && x.activation >= y.activation));
    }
  }
  // Every uniform policy within the budget is at most one of those listed.
  for (int weight = 2; weight <= 8; ++weight) {
    for (int activation = 2; activation <= 8; ++activation) {
      if (!budget.within(budget.price(house.space.nearest_uniform({weight, activation})))) continue;
      BOOST_TEST(std::ranges::any_of(listed, [&](const NamedPolicy& named) {
        return named.policy.layers[1].weight >= weight && named.policy.layers[1].activation >= activation;
      }));
    }
  }
}

BOOST_AUTO_TEST_CASE(costly_prices_give_the_same_list_from_fewer_questions) {
  const auto product = [](const quant::Policy& policy) {
    double sum = 0;
    for (quant::LayerFormats bits : policy.layers) sum += bits.weight.code() * bits.activation.code();
    return sum;
  };
  const House cheap(4, {}, one("latency_u", product)), costly(4, {}, one("latency_u", product, false));
  const Budget a = cheap.budget({{"latency_u", 0.5, true}}), b = costly.budget({{"latency_u", 0.5, true}});
  const int before = asked(costly);
  const auto expected = uniform_within(a), got = uniform_within(b);
  BOOST_TEST(asked(costly) - before <= 14);
  BOOST_REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) BOOST_TEST(got[i].name == expected[i].name);
}

BOOST_AUTO_TEST_CASE(references_keep_pinned_layers_and_ignore_the_choices) {
  const House house(3, few_bits());
  const auto references = uniform_references(house.network, house.space);
  BOOST_REQUIRE(references.size() == 3u);
  BOOST_TEST(references[1].name == "uniform 6");
  BOOST_TEST((references[1].policy.layers[1] == quant::LayerFormats{6, 6}));
  BOOST_TEST((references[1].policy.layers[0] == quant::LayerFormats{8, 8}));
}

BOOST_AUTO_TEST_SUITE_END()
