#include "trainer/loss.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <vector>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

Tensor logits_of(const std::vector<float>& values, int batch) {
  Tensor logits(batch, {static_cast<int>(values.size()) / batch, 1, 1});
  std::copy(values.begin(), values.end(), logits.data());
  return logits;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loss)

BOOST_AUTO_TEST_CASE(equal_logits_cost_the_logarithm_of_the_classes) {
  const std::vector<int> labels{2};
  Tensor gradient;
  const double loss = softmax_cross_entropy(logits_of({1, 1, 1, 1}, 1), labels, 0.0, &gradient);
  BOOST_TEST(loss == std::log(4.0), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(gradient.data()[0] == 0.25f);
  BOOST_TEST(gradient.data()[2] == -0.75f);
}

BOOST_AUTO_TEST_CASE(huge_logits_stay_finite) {
  const std::vector<int> labels{0, 1};
  Tensor gradient;
  const double loss =
      softmax_cross_entropy(logits_of({3e38f, -3e38f, 1e30f, -1e30f}, 2), labels, 0.0, &gradient);
  BOOST_TEST(loss == 1e30, boost::test_tools::tolerance(1e-6));
  for (int i = 0; i < 4; ++i) BOOST_TEST(std::isfinite(gradient.data()[i]));
}

BOOST_AUTO_TEST_CASE(label_smoothing_mixes_in_the_mean_over_all_classes) {
  const std::vector<int> labels{1};
  const double z[] = {0.5, -1.0, 2.0}, sum = std::exp(0.5) + std::exp(-1.0) + std::exp(2.0);
  double expected = 0.9 * (std::log(sum) - z[1]);
  for (double value : z) expected += 0.1 / 3.0 * (std::log(sum) - value);
  Tensor gradient;
  const double loss = softmax_cross_entropy(logits_of({0.5f, -1.0f, 2.0f}, 1), labels, 0.1, &gradient);
  BOOST_TEST(loss == expected, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(static_cast<double>(gradient.data()[1]) == std::exp(-1.0) / sum - 0.9 - 0.1 / 3.0,
             boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(loss_and_gradient_are_means_over_the_batch) {
  const std::vector<int> one{0}, two{0, 0};
  Tensor single, pair;
  const double a = softmax_cross_entropy(logits_of({1, 2}, 1), one, 0.0, &single);
  const double b = softmax_cross_entropy(logits_of({1, 2, 1, 2}, 2), two, 0.0, &pair);
  BOOST_TEST(a == b, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(pair.data()[3] == 0.5f * single.data()[1]);
}

BOOST_AUTO_TEST_CASE(labels_out_of_range_are_refused) {
  const std::vector<int> labels{2};
  BOOST_CHECK_THROW(softmax_cross_entropy(logits_of({1, 2}, 1), labels, 0.0, nullptr), base::UserError);
}

BOOST_AUTO_TEST_CASE(the_first_of_equal_logits_is_the_answer) {
  const std::vector<int> labels{0, 1};
  BOOST_TEST(count_correct(logits_of({5, 5, 1, 2}, 2), labels) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
