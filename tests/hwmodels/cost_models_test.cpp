#include <boost/test/unit_test.hpp>
#include <cmath>

#include "hwmodels/bops_model.hpp"
#include "hwmodels/size_model.hpp"
#include "quant/base/error.hpp"
#include "tests/hwmodels/networks.hpp"

using namespace bitsmith;
using hwmodels_tests::all_layers;
using hwmodels_tests::tiny_network;

namespace {

std::vector<std::unique_ptr<hwmodels::CostModel>> size_then_bops() {
  std::vector<std::unique_ptr<hwmodels::CostModel>> models;
  models.push_back(std::make_unique<hwmodels::SizeModel>(quant::Granularity::channel));
  models.push_back(std::make_unique<hwmodels::BopsModel>());
  return models;
}

/// Prices everything at the value it is told.
class OddModel : public hwmodels::CostModel {
 public:
  explicit OddModel(std::vector<double> totals) : totals_(std::move(totals)) {}
  std::string name() const override { return "odd"; }
  std::span<const hwmodels::Metric> metrics() const override { return metrics_; }
  hwmodels::Cost price(const quant::NetworkInfo&, const quant::Policy&) const override {
    return {totals_, {}, {}};
  }
  bool is_cheap() const override { return false; }
  std::string fingerprint() const override { return "odd"; }

 private:
  std::vector<double> totals_;
  std::vector<hwmodels::Metric> metrics_ = {{"odd", ""}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cost_models)

BOOST_AUTO_TEST_CASE(metrics_and_totals_are_the_models_own_one_after_the_other) {
  const hwmodels::CostModels models(size_then_bops());
  BOOST_TEST(models.find_metric("size_kib") == 0);
  BOOST_TEST(models.find_metric("gbops") == 1);
  BOOST_TEST(models.find_metric("latency_ms") == -1);
  const quant::NetworkInfo network = tiny_network();
  const quant::Policy policy = all_layers(network, {5, 6});
  const std::vector<double> totals = models.totals(network, policy);
  BOOST_REQUIRE(totals.size() == 2u);
  BOOST_TEST(totals[0] == models.models()[0]->price(network, policy).totals[0]);
  BOOST_TEST(totals[1] == models.models()[1]->price(network, policy).totals[0]);
  BOOST_TEST(models.is_cheap());
}

BOOST_AUTO_TEST_CASE(two_models_with_the_same_metric_are_refused_by_name) {
  auto models = size_then_bops();
  models.push_back(std::make_unique<hwmodels::SizeModel>(quant::Granularity::tensor));
  BOOST_CHECK_EXCEPTION(hwmodels::CostModels{std::move(models)}, base::UserError,
                        [](const base::UserError& error) {
                          return std::string(error.what()).find("'size_kib'") != std::string::npos;
                        });
}

BOOST_AUTO_TEST_CASE(a_model_that_breaks_its_promise_is_an_internal_error) {
  const quant::NetworkInfo network = tiny_network();
  for (const auto& totals : {std::vector<double>{-1.0}, std::vector<double>{std::nan("")},
                             std::vector<double>{}, std::vector<double>{1.0, 2.0}}) {
    std::vector<std::unique_ptr<hwmodels::CostModel>> list;
    list.push_back(std::make_unique<OddModel>(totals));
    const hwmodels::CostModels models(std::move(list));
    BOOST_TEST(!models.is_cheap());
    BOOST_CHECK_THROW(models.totals(network, all_layers(network, {8, 8})), base::InternalError);
  }
}

BOOST_AUTO_TEST_CASE(the_fingerprint_depends_on_the_models_and_their_order) {
  auto swapped = size_then_bops();
  std::swap(swapped[0], swapped[1]);
  auto tensor = size_then_bops();
  tensor[0] = std::make_unique<hwmodels::SizeModel>(quant::Granularity::tensor);
  const std::string fingerprint = hwmodels::CostModels(size_then_bops()).fingerprint();
  BOOST_TEST(hwmodels::CostModels(size_then_bops()).fingerprint() == fingerprint);
  BOOST_TEST(hwmodels::CostModels(std::move(swapped)).fingerprint() != fingerprint);
  BOOST_TEST(hwmodels::CostModels(std::move(tensor)).fingerprint() != fingerprint);
}

BOOST_AUTO_TEST_CASE(no_models_price_nothing) {
  const hwmodels::CostModels none({});
  const quant::NetworkInfo network = tiny_network();
  BOOST_TEST(none.totals(network, all_layers(network, {8, 8})).empty());
}

BOOST_AUTO_TEST_SUITE_END()
