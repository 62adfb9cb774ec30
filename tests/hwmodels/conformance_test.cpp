#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "hwmodels/cost_model_table.hpp"
#include "quant/base/parallel.hpp"
#include "tests/hwmodels/networks.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::CostModelRow;
using hwmodels_tests::all_layers;
using tests::message_has;

namespace {

/// What every row of the table can be made from.
struct Bench {
  quant::NetworkInfo network;
  hwmodels::LatencyTable table = hwmodels_tests::made_up_table(network, {});
  hwmodels::CostModelContext context{
      network, {},    {}, {{"python3", BITSMITH_SOURCE_DIR "/experiments/examples/device.py"}, 60, 0, 2},
      {},      &table};
};

const Bench& bench() {
  static const Bench only{hwmodels_tests::tiny_network()};
  return only;
}

/// Programs are slow to start: few questions for those.
std::vector<quant::Policy> policies(const hwmodels::CostModel& model) {
  std::vector<quant::Policy> all;
  base::Rng rng(21);
  const int count = model.is_cheap() ? 100 : 4;
  for (int i = 0; i < count; ++i)
    all.push_back(hwmodels_tests::random_policy(bench().network, bench().context.choices, rng));
  return all;
}

bool same(const hwmodels::Cost& a, const hwmodels::Cost& b) {
  const auto rows = [](const auto& x, const auto& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& left, const auto& right) {
      return left.values == right.values && left.kernel == right.kernel;
    });
  };
  return a.totals == b.totals && rows(a.steps, b.steps) && rows(a.layers, b.layers);
}

template <class Check>
void for_each_model(const Check& check) {
  for (const CostModelRow& row : hwmodels::cost_model_rows()) {
    BOOST_TEST_CONTEXT("cost model " << row.name) { check(row, *row.make(bench().context)); }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conformance)

BOOST_AUTO_TEST_CASE(every_row_describes_the_model_that_it_makes) {
  std::set<std::string_view> names;
  for_each_model([&](const CostModelRow& row, const hwmodels::CostModel& model) {
    BOOST_TEST(names.insert(row.name).second);
    BOOST_TEST(model.name() == row.name);
    BOOST_TEST(!row.description.empty());
    BOOST_REQUIRE(!model.metrics().empty());
    BOOST_TEST(row.metrics.starts_with(model.metrics()[0].name));
    for (const hwmodels::Metric& metric : model.metrics()) BOOST_TEST(!metric.unit.empty());
  });
}

BOOST_AUTO_TEST_CASE(every_price_is_finite_and_not_negative_in_all_its_rows) {
  for_each_model([](const CostModelRow&, const hwmodels::CostModel& model) {
    for (const quant::Policy& policy : policies(model)) {
      const hwmodels::Cost cost = model.price(bench().network, policy);
      BOOST_TEST(cost.totals.size() == model.metrics().size());
      for (double value : cost.totals) BOOST_TEST((std::isfinite(value) && value >= 0));
      if (!cost.layers.empty()) BOOST_TEST(cost.layers.size() == bench().network.layers.size());
      for (const auto* rows : {&cost.steps, &cost.layers})
        for (const auto& row : *rows) {
          BOOST_TEST(row.values.size() == model.metrics().size());
          for (double value : row.values) BOOST_TEST((std::isfinite(value) && value >= 0));
        }
    }
  });
}

BOOST_AUTO_TEST_CASE(every_price_and_fingerprint_is_the_same_each_time) {
  for_each_model([](const CostModelRow& row, const hwmodels::CostModel& model) {
    const auto twin = row.make(bench().context);
    BOOST_TEST(twin->fingerprint() == model.fingerprint());
    for (const quant::Policy& policy : policies(model)) {
      const hwmodels::Cost cost = model.price(bench().network, policy);
      BOOST_TEST(same(cost, model.price(bench().network, policy)));
      BOOST_TEST(same(cost, twin->price(bench().network, policy)));
    }
  });
}

BOOST_AUTO_TEST_CASE(every_model_prices_from_many_threads_as_from_one) {
  base::set_thread_count(4);
  for_each_model([](const CostModelRow& row, const hwmodels::CostModel& model) {
    const auto all = policies(model);
    const auto fresh = row.make(bench().context);
    std::atomic<int> wrong = 0;
    base::parallel_for(static_cast<int>(all.size()) * 4, [&](int i) {
      const quant::Policy& policy = all[static_cast<std::size_t>(i) % all.size()];
      if (!same(fresh->price(bench().network, policy), model.price(bench().network, policy))) ++wrong;
    });
    BOOST_TEST(wrong == 0);
  });
  base::set_thread_count(0);
}

BOOST_AUTO_TEST_CASE(fewer_bits_everywhere_never_cost_more) {
  for_each_model([](const CostModelRow&, const hwmodels::CostModel& model) {
    const int step = model.is_cheap() ? 1 : 3;
    for (int weight = 2; weight + step <= 8; weight += step)
      for (int activation = 2; activation + step <= 8; activation += step) {
        const auto price = [&](int w, int a) {
          return model.price(bench().network, all_layers(bench().network, {w, a})).totals;
        };
        const auto less = price(weight, activation);
        for (const auto& more : {price(weight + step, activation), price(weight, activation + step)})
          for (std::size_t i = 0; i < less.size(); ++i) BOOST_TEST(less[i] <= more[i]);
      }
  });
}

BOOST_AUTO_TEST_CASE(a_name_that_no_model_has_is_refused_with_the_nearest) {
  BOOST_CHECK_EXCEPTION(hwmodels::make_cost_model("sise", bench().context), base::UserError,
                        message_has({"'sise'", "did you mean 'size'", "size, bops, host, command"}));
  BOOST_TEST(hwmodels::make_cost_model("bops", bench().context)->name() == "bops");
}

BOOST_AUTO_TEST_SUITE_END()
