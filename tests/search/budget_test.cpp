#include "search/budget.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "quant/base/random.hpp"
#include "search/feasibility.hpp"
#include "tests/search/house.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using namespace bitsmith::search::toy;

namespace {

quant::Policy random_policy(const ActionSpace& space, base::Rng& rng) {
  quant::Policy policy = space.lowest();
  for (const Step step : space.steps()) {
    const auto choices = space.choices(step.layer, step.part);
    bits_of(policy, step) = choices[rng.below(choices.size())];
  }
  return policy;
}

/// All policies of a small action space.
std::vector<quant::Policy> every_policy(const ActionSpace& space) {
  std::vector<quant::Policy> all = {space.lowest()};
  for (const Step step : space.steps()) {
    std::vector<quant::Policy> more;
    for (const quant::Policy& policy : all) {
      for (quant::Format bits : space.choices(step.layer, step.part)) {
        more.push_back(policy);
        bits_of(more.back(), step) = bits;
      }
    }
    all = std::move(more);
  }
  return all;
}

/// A table of random prices per layer and pair of bits: neither monotone nor smooth, but additive.
toy::FunctionModel::Function random_table(std::uint64_t seed) {
  return [seed](const quant::Policy& policy) {
    double sum = 0;
    for (std::size_t i = 0; i < policy.layers.size(); ++i) {
      const auto pair = static_cast<std::uint64_t>(policy.layers[i].weight.code() * 64 +
                                                   policy.layers[i].activation.code());
      sum += base::Rng(base::derive_seed(seed, "table", i * 4096 + pair)).uniform(1, 10);
    }
    return sum;
  };
}

/// Random table, plus a price for neighbours whose activation bits differ: not additive over layers.
toy::FunctionModel::Function with_conversions(std::uint64_t seed) {
  return [table = random_table(seed)](const quant::Policy& policy) {
    double sum = table(policy);
    for (std::size_t i = 1; i < policy.layers.size(); ++i) {
      if (policy.layers[i].activation != policy.layers[i - 1].activation) sum += 4;
    }
    return sum;
  };
}

/// 8, 5, 6 and 7 bits cost the same, 4 and 3 half of it, 2 a quarter: like a machine with kernels for 8, 4
/// and 2 bits.
double steps_of_a_machine(const quant::Policy& policy) {
  const auto width = [](int bits) { return bits > 4 ? 8.0 : bits > 2 ? 4.0 : 2.0; };
  double sum = 0;
  for (quant::LayerFormats bits : policy.layers)
    sum += width(bits.weight.code()) * width(bits.activation.code());
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(constraints)

BOOST_AUTO_TEST_CASE(relative_ones_are_multiples_of_uniform_8_bit_with_pinned_layers_pinned) {
  const House house(3, few_bits(), toy::size_and_bops(), 4);
  const auto yardstick = house.models.totals(
      house.network, house.space.pin_layers(quant::uniform_policy(house.network, {8, 8})));
  const auto resolved = resolve(std::vector<ConstraintSpec>{{"gbops", 0.5, true}, {"size_kib", 3.0, false}},
                                house.network, house.space, house.models);
  BOOST_TEST(resolved[0].limit == 0.5 * yardstick[1]);
  BOOST_TEST(resolved[1].limit == 3.0);
  BOOST_TEST(contains(resolved[0].describe(), "(0.5x of uniform 8 bit)"));
  BOOST_TEST(contains(resolved[1].describe(), "size_kib <= 3 KiB"));
}

BOOST_AUTO_TEST_CASE(wrong_ones_are_refused) {
  const House house(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(contains(house.refusal({{"size_kb", 1, false}}), "did you mean 'size_kib'?"));
  BOOST_TEST(contains(house.refusal({{"latency_ms", 1, false}}), "there are: size_kib, gbops"));
  BOOST_TEST(contains(house.refusal({{"gbops", 0.5, true}, {"gbops", 1, false}}), "given twice"));
  for (double value : {0.0, -1.0, nan, std::numeric_limits<double>::infinity()}) {
    BOOST_TEST(contains(house.refusal({{"gbops", value, true}}), "allowed is a positive number"));
  }
  const House free(2, {}, one("nothing_u", [](const quant::Policy&) { return 0.0; }));
  BOOST_TEST(contains(free.refusal({{"nothing_u", 0.5, true}}), "give it in u instead"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(budget)

BOOST_AUTO_TEST_CASE(a_policy_within_it_is_untouched) {
  const House house(4);
  const Budget budget = house.budget({{"size_kib", 0.9, true}, {"gbops", 0.9, true}});
  base::Rng rng(2);
  int untouched = 0;
  for (int i = 0; i < 200; ++i) {
    const quant::Policy policy = random_policy(house.space, rng);
    if (!budget.within(budget.price(policy))) continue;
    BOOST_TEST((budget.enforce(policy) == policy));
    ++untouched;
  }
  BOOST_TEST(untouched > 50);
}

BOOST_AUTO_TEST_CASE(pinned_layers_are_pinned_even_within_it) {
  const House house(3);
  const Budget budget = house.budget({});
  const quant::Policy fitted = budget.enforce(quant::uniform_policy(house.network, {4, 4}));
  BOOST_TEST((fitted.layers.front() == quant::LayerFormats{8, 8}));
  BOOST_TEST((fitted.layers.back() == quant::LayerFormats{8, 8}));
  BOOST_TEST((fitted.layers[1] == quant::LayerFormats{4, 4}));
}

BOOST_AUTO_TEST_CASE(bits_fall_from_the_last_layer_activation_first) {
  const House house(4, few_bits(), toy::size_and_bops(), 0);
  const quant::Policy eight = quant::uniform_policy(house.network, {8, 8});
  const Budget budget = house.budget({{"gbops", 0.999, true}});
  quant::Policy expected = eight;
  expected.layers.back().activation = 4;  // one step of the linear layer saves little
  const auto prices = budget.price(expected);
  const quant::Policy fitted = budget.enforce(eight);
  if (budget.within(prices)) {
    BOOST_TEST((fitted == expected));
  } else {
    expected.layers.back().weight = 4;
    BOOST_TEST(fitted.layers.back().activation == 4);
  }
  for (std::size_t i = 0; i + 2 < eight.layers.size(); ++i) BOOST_TEST((fitted.layers[i] == eight.layers[i]));
}

BOOST_AUTO_TEST_CASE(bits_that_save_nothing_are_kept) {
  const House house(4);
  const Budget size_only = house.budget({{"size_kib", 0.5, true}});
  const quant::Policy fitted = size_only.enforce(quant::uniform_policy(house.network, {8, 8}));
  for (quant::LayerFormats bits : fitted.layers) BOOST_TEST(bits.activation == 8);

  const House machine(4, {}, one("latency_u", steps_of_a_machine));
  const Budget latency = machine.budget({{"latency_u", 0.6, true}});
  const quant::Policy on_machine = latency.enforce(quant::uniform_policy(machine.network, {8, 8}));
  for (quant::LayerFormats bits : on_machine.layers) {
    for (quant::Format part : {bits.weight, bits.activation})
      BOOST_TEST((part == 8 || part == 4 || part == 2), part);
  }
}

BOOST_AUTO_TEST_CASE(one_choice_up_from_the_result_would_break_it) {
  // With additive monotone prices, the last step taken was needed.
  const House house(5);
  const Budget budget = house.budget({{"gbops", 0.4, true}});
  const quant::Policy eight = house.space.nearest_uniform({8, 8});
  const quant::Policy fitted = budget.enforce(eight);
  BOOST_TEST(budget.within(budget.price(fitted)));
  bool some_step_was_the_last = false;
  for (const Step step : house.space.steps()) {
    quant::Policy higher = fitted;
    if (bits_of(higher, step) == 8) continue;
    bits_of(higher, step) = bits_of(higher, step).code() + 1;
    some_step_was_the_last |= !budget.within(budget.price(higher));
  }
  BOOST_TEST(some_step_was_the_last);
}

BOOST_AUTO_TEST_CASE(random_policies_end_within_random_budgets_and_stay_there) {
  base::Rng rng(11);
  int budgets = 0;
  for (int trial = 0; trial < 60; ++trial) {
    Models models = toy::size_and_bops();
    if (trial % 3 > 0) {
      const auto seed = static_cast<std::uint64_t>(trial);
      models.push_back(std::make_unique<toy::FunctionModel>(
          "latency_u", trial % 3 == 1 ? random_table(seed) : with_conversions(seed)));
    }
    const House house(2 + trial % 6, trial % 2 == 0 ? SearchOptions{} : few_bits(), std::move(models),
                      trial % 5 ? 8 : 0);
    std::vector<ConstraintSpec> specs = {{"size_kib", rng.uniform(0.3, 1.1), true},
                                         {"gbops", rng.uniform(0.1, 1.1), true}};
    if (trial % 3 > 0) specs.push_back({"latency_u", rng.uniform(0.5, 1.5), true});
    std::optional<Budget> budget;
    try {
      budget.emplace(house.network, house.space, house.models,
                     resolve(specs, house.network, house.space, house.models));
    } catch (const base::UserError&) {
      continue;  // whether this is true: see the tests of what is called infeasible
    }
    ++budgets;
    for (int i = 0; i < 20; ++i) {
      const quant::Policy fitted = budget->enforce(random_policy(house.space, rng));
      BOOST_REQUIRE(budget->within(budget->price(fitted)));
      BOOST_REQUIRE(house.space.allows(fitted));
      BOOST_REQUIRE((budget->enforce(fitted) == fitted));
    }
  }
  BOOST_TEST(budgets > 20);
}

BOOST_AUTO_TEST_CASE(what_is_called_infeasible_is_and_what_is_feasible_is_found) {
  base::Rng rng(5);
  int feasible = 0, infeasible = 0;
  for (int trial = 0; trial < 120; ++trial) {
    Models models = toy::size_and_bops();
    models.push_back(std::make_unique<toy::FunctionModel>(
        "latency_u", random_table(static_cast<std::uint64_t>(trial)), true, true));
    const House house(2, few_bits(), std::move(models), trial % 2 ? 8 : 0);  // 9 or 729 policies
    const std::vector<ConstraintSpec> specs = {{"size_kib", rng.uniform(0.4, 0.9), true},
                                               {"gbops", rng.uniform(0.1, 0.7), true},
                                               {"latency_u", rng.uniform(0.2, 1.0), true}};
    const auto constraints = resolve(specs, house.network, house.space, house.models);
    bool exists = false;
    for (const quant::Policy& policy : every_policy(house.space)) {
      const auto totals = house.models.totals(house.network, policy);
      exists |=
          std::ranges::all_of(constraints, [&](const Constraint& c) { return totals[c.metric] <= c.limit; });
    }
    const std::string refusal = house.refusal(specs);
    BOOST_TEST((refusal == "(no error)") == exists, "trial " << trial << ": " << refusal);
    if (!exists) BOOST_TEST(contains(refusal, "no policy is within the budget"));
    (exists ? feasible : infeasible) += 1;
  }
  BOOST_TEST(feasible > 20);
  BOOST_TEST(infeasible > 20);
}

BOOST_AUTO_TEST_CASE(prices_that_are_no_sums_are_searched_and_never_called_proven) {
  // Two layers, 5 each at 8 bits, 3 at fp32, and 4 for a conversion between unlike neighbours: no change of
  // one layer helps, a change of both does.
  SearchOptions options;
  options.weight_bits = {8};
  options.activation_bits = {8, 32};
  const auto price = [](const quant::Policy& policy) {
    double sum = policy.layers[0].activation != policy.layers[1].activation ? 4 : 0;
    for (quant::LayerFormats bits : policy.layers) sum += bits.activation == 8 ? 5 : 3;
    return sum;
  };
  const House house(1, options, one("latency_u", price), 0);
  BOOST_TEST(house.space.layers() == 2);
  BOOST_TEST(house.refusal({{"latency_u", 7, false}}) == "(no error)");
  BOOST_TEST(contains(house.refusal({{"latency_u", 5, false}}), "no policy was found within the budget"));

  base::Rng rng(6);
  int found = 0, exists = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const House odd(2, few_bits(), one("latency_u", with_conversions(static_cast<std::uint64_t>(trial))), 0);
    std::vector<double> prices;
    for (const quant::Policy& policy : every_policy(odd.space))
      prices.push_back(odd.models.totals(odd.network, policy)[0]);
    const double limit = rng.uniform(0.9, 1.5) * std::ranges::min(prices);
    const std::string refusal = odd.refusal({{"latency_u", limit, false}});
    exists += std::ranges::min(prices) <= limit;
    found += refusal == "(no error)";
    BOOST_TEST((refusal == "(no error)" || contains(refusal, "no policy was found")));
  }
  BOOST_TEST(found <= exists);
  BOOST_TEST(found > exists * 3 / 4);
}

BOOST_AUTO_TEST_CASE(an_infeasible_budget_names_the_tightest_values) {
  const House house(3);
  const auto lowest = house.models.totals(house.network, house.space.lowest());
  const std::string refusal = house.refusal({{"size_kib", 0.01, true}, {"gbops", 0.9, true}});
  BOOST_TEST(contains(refusal, "no policy is within the budget"));
  BOOST_TEST(contains(refusal, "(0.01x of uniform 8 bit): the tightest achievable is"));
  char tightest[32];
  std::snprintf(tightest, sizeof tightest, "%.6g", lowest[0]);
  BOOST_TEST(contains(refusal, std::string("achievable is ") + tightest + " KiB  <- not achievable"),
             refusal);
  BOOST_TEST(contains(refusal, "gbops <= "));
  // Exactly the tightest value is feasible.
  const Budget exact = house.budget({{"size_kib", lowest[0], false}, {"gbops", lowest[1], false}});
  BOOST_TEST((exact.enforce(quant::uniform_policy(house.network, {8, 8})) == house.space.lowest()));
}

BOOST_AUTO_TEST_CASE(limits_that_only_exclude_each_other_say_so) {
  // Storage falls with weight bits, time rises: each limit can be kept, not both.
  Models models = one("size_u", [](const quant::Policy& p) { return p.layers[1].weight.effective_bits(); });
  models.push_back(std::make_unique<toy::FunctionModel>(
      "time_u", [](const quant::Policy& p) { return 10.0 - p.layers[1].weight.effective_bits(); }));
  const House house(2, {}, std::move(models));
  BOOST_TEST(contains(house.refusal({{"size_u", 4, false}, {"time_u", 4, false}}), "but not all at once"));
  BOOST_TEST(house.refusal({{"size_u", 6, false}, {"time_u", 4, false}}) == "(no error)");
}

BOOST_AUTO_TEST_CASE(a_price_that_is_not_a_number_is_an_error) {
  const House house(2, {}, one("latency_u", [](const quant::Policy&) { return std::nan(""); }));
  BOOST_CHECK_THROW(house.budget({{"latency_u", 1, false}}), std::exception);
}

BOOST_AUTO_TEST_CASE(costly_prices_are_asked_for_few_times_and_remembered) {
  const House house(8, {},
                    one(
                        "latency_u",
                        [](const quant::Policy& policy) {
                          double sum = 0;
                          for (quant::LayerFormats bits : policy.layers)
                            sum += bits.weight.code() * bits.activation.code();
                          return sum;
                        },
                        false));
  const Budget budget = house.budget({{"latency_u", 0.5, true}});
  const quant::Policy eight = quant::uniform_policy(house.network, {8, 8});
  const int before = asked(house);
  const quant::Policy fitted = budget.enforce(eight);
  BOOST_TEST(budget.within(budget.price(fitted)));
  BOOST_TEST(asked(house) - before <= 10);  // 84 steps: 7 halvings, the proposal and the result
  const int after = asked(house);
  BOOST_TEST((budget.enforce(eight) == fitted));
  BOOST_TEST(asked(house) == after);
  base::Rng rng(3);
  for (int i = 0; i < 50; ++i) {
    const quant::Policy policy = budget.enforce(random_policy(house.space, rng));
    BOOST_TEST(budget.within(budget.price(policy)));
    BOOST_TEST((budget.enforce(policy) == policy));
  }
}

BOOST_AUTO_TEST_CASE(a_costly_price_that_rises_as_bits_fall_is_kept_too) {
  const House house(5, {},
                    one(
                        "latency_u",
                        [](const quant::Policy& policy) {
                          double sum = 0;
                          for (quant::LayerFormats bits : policy.layers)
                            sum += std::abs(bits.weight.code() - 5) + 1;
                          return sum;
                        },
                        false));
  const Budget budget = house.budget({{"latency_u", 14.0, false}});
  base::Rng rng(3);
  for (int i = 0; i < 50; ++i) {
    BOOST_TEST(budget.within(budget.price(budget.enforce(random_policy(house.space, rng)))));
  }
  BOOST_TEST(contains(house.refusal({{"latency_u", 2, false}}), "no policy was found"));
}

BOOST_AUTO_TEST_SUITE_END()
