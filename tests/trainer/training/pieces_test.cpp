#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "tests/trainer/training/trainings.hpp"
#include "trainer/training/distillation.hpp"
#include "trainer/training/gradient_norm.hpp"
#include "trainer/training/mixup.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

constexpr double kExact = 1e-12;

Tensor random_tensor(int batch, quant::Shape shape, std::uint64_t seed, double spread) {
  Tensor tensor(batch, shape);
  base::Rng rng(seed);
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    tensor.data()[i] = static_cast<float>(spread * rng.normal());
  return tensor;
}

Parameter parameter_of(std::vector<float> gradient) {
  Parameter parameter;
  parameter.value.assign(gradient.size(), 1.0f);
  parameter.gradient = std::move(gradient);
  return parameter;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(weight_averages)

BOOST_AUTO_TEST_CASE(the_average_is_the_sum_with_weights_that_fall_by_the_decay_and_add_up_to_one) {
  Network network(conv_info({1, 6, 6}), 1);
  AverageState average;
  constexpr double kDecay = 0.8;
  double sum = 0.0, weights = 0.0;
  for (int n = 1; n <= 30; ++n) {
    const double value = std::sin(n);
    network.parameters()[0].value[2] = static_cast<float>(value);
    network.buffers()[0].value[1] = static_cast<float>(2 * value);
    update_average(average, network, kDecay);
    sum = kDecay * sum + (1 - kDecay) * value;
    weights = kDecay * weights + (1 - kDecay);
    constexpr double kRounding = 1e-6;  // values are below 2
    BOOST_TEST(std::abs(static_cast<double>(average.numbers.parameters[0][2]) - sum / weights) < kRounding);
    BOOST_TEST(std::abs(static_cast<double>(average.numbers.buffers[0][1]) - 2 * sum / weights) < kRounding);
  }
}

BOOST_AUTO_TEST_CASE(the_weights_before_the_first_step_have_no_part_in_it) {
  Network network(conv_info({1, 6, 6}), 1);
  AverageState average;
  update_average(average, network, 0.999);
  NetworkNumbers now;
  copy_numbers(network, now);
  BOOST_TEST(same_values(average.numbers.parameters, now.parameters));
}

BOOST_AUTO_TEST_CASE(a_network_has_the_average_for_a_while) {
  Network network(conv_info({1, 6, 6}), 1), other(conv_info({1, 6, 6}), 2), before(conv_info({1, 6, 6}), 1);
  AverageState average;
  update_average(average, other, 0.9);
  {
    const AveragedNetwork averaged(network, average);
    BOOST_TEST(same_numbers(network, other));
  }
  BOOST_TEST(same_numbers(network, before));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(gradient_clipping)

BOOST_AUTO_TEST_CASE(the_norm_is_of_all_gradients_together) {
  const std::vector<Parameter> parameters{parameter_of({1, 2, 3, 4, 5}), parameter_of({-6})};
  BOOST_TEST(gradient_norm(parameters) == std::sqrt(91.0), boost::test_tools::tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(longer_gradients_are_scaled_to_the_limit_and_shorter_ones_stay) {
  std::vector<Parameter> parameters{parameter_of({3, 0}), parameter_of({4})};
  clip_gradients(parameters, gradient_norm(parameters), 6.0);
  BOOST_TEST(parameters[1].gradient[0] == 4.0f);
  clip_gradients(parameters, gradient_norm(parameters), 0.0);
  BOOST_TEST(parameters[1].gradient[0] == 4.0f);
  clip_gradients(parameters, gradient_norm(parameters), 1.0);
  BOOST_TEST(parameters[0].gradient[0] == 0.6f);
  BOOST_TEST(parameters[1].gradient[0] == 0.8f);
}

BOOST_AUTO_TEST_CASE(the_norm_is_finite_exactly_when_all_gradients_are) {
  std::vector<Parameter> parameters{parameter_of({3e38f, -3e38f, 3e38f, 1, 2})};
  BOOST_TEST(std::isfinite(gradient_norm(parameters)));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (std::size_t i = 0; i < 5; ++i) {
      auto broken = parameters;
      broken[0].gradient[i] = bad;
      BOOST_TEST(!std::isfinite(gradient_norm(broken)));
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(mixing_up)

BOOST_AUTO_TEST_CASE(shares_have_the_moments_of_the_beta_distribution) {
  for (const double alpha : {0.1, 0.4, 1.0, 3.0}) {
    base::Rng rng(3);
    constexpr int kDraws = 40000;
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = draw_symmetric_beta(rng, alpha);
      BOOST_REQUIRE((x >= 0.0 && x <= 1.0));
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    const double expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
    BOOST_TEST(std::abs(mean - 0.5) < 5.0 * std::sqrt(expected / kDraws));
    BOOST_TEST(variance == expected, boost::test_tools::tolerance(0.02));
  }
  base::Rng rng(4);
  for (int i = 0; i < 100; ++i) BOOST_TEST(std::isfinite(draw_symmetric_beta(rng, 1e-3)));
}

BOOST_AUTO_TEST_CASE(images_and_labels_are_mixed_by_the_same_share_with_the_same_partner) {
  const Tensor images = random_tensor(16, {2, 3, 3}, 1, 1.0);
  std::vector<int> labels;
  for (int n = 0; n < 16; ++n) labels.push_back(n);  // so that a label tells the image
  Mixup mixup(1.0, 7);
  const Tensor& mixed = mixup.mix(images, labels, 5);
  const MixedLabels& both = mixup.labels();
  const auto share = static_cast<float>(both.share), rest = static_cast<float>(1.0 - both.share);
  for (int n = 0; n < 16; ++n) {
    BOOST_TEST(both.first[static_cast<std::size_t>(n)] == n);
    const float* partner = images.sample(both.second[static_cast<std::size_t>(n)]);
    for (int i = 0; i < 18; ++i)
      BOOST_TEST(mixed.sample(n)[i] == share * images.sample(n)[i] + rest * partner[i],
                 boost::test_tools::tolerance(1e-5f));
  }
  std::vector<int> partners(both.second.begin(), both.second.end());
  std::sort(partners.begin(), partners.end());
  BOOST_TEST(partners == labels, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_batch_is_mixed_by_seed_and_step_alone) {
  const Tensor images = random_tensor(8, {1, 2, 2}, 1, 1.0);
  const std::vector<int> labels{0, 1, 2, 0, 1, 2, 0, 1};
  Mixup one(0.5, 7), same(0.5, 7), other(0.5, 8), off(0.0, 7);
  one.mix(images, labels, 0);
  one.mix(images, labels, 4);
  same.mix(images, labels, 4);
  other.mix(images, labels, 4);
  BOOST_TEST(one.labels().share == same.labels().share);
  BOOST_TEST(one.labels().share != other.labels().share);
  BOOST_TEST(&off.mix(images, labels, 4) == &images);
  BOOST_CHECK_THROW(Mixup(-1.0, 7), base::UserError);
}

BOOST_AUTO_TEST_CASE(the_loss_of_mixed_labels_is_the_mix_of_their_losses) {
  const Tensor logits = random_tensor(4, {3, 1, 1}, 2, 2.0);
  const std::vector<int> first{0, 1, 2, 1}, second{1, 1, 0, 2};
  Tensor a, b, mixed;
  const double loss_a = softmax_cross_entropy(logits, first, 0.1, &a);
  const double loss_b = softmax_cross_entropy(logits, second, 0.1, &b);
  const double loss = softmax_cross_entropy(logits, MixedLabels{first, second, 0.3}, 0.1, &mixed);
  BOOST_TEST(loss == 0.3 * loss_a + 0.7 * loss_b, boost::test_tools::tolerance(kExact));
  for (int i = 0; i < 12; ++i)
    BOOST_TEST(mixed.data()[i] == 0.3f * a.data()[i] + 0.7f * b.data()[i],
               boost::test_tools::tolerance(1e-5f));
  BOOST_TEST(count_correct(logits, MixedLabels{first, second, 0.3}) ==
                 0.3 * count_correct(logits, first) + 0.7 * count_correct(logits, second),
             boost::test_tools::tolerance(kExact));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(distillation)

BOOST_AUTO_TEST_CASE(loss_and_gradient_are_those_of_the_definition) {
  constexpr int kBatch = 3, kClasses = 5;
  constexpr double kTemperature = 2.5, kWeight = 0.7;
  const Tensor student = random_tensor(kBatch, {kClasses, 1, 1}, 1, 2.0);
  const Tensor teacher = random_tensor(kBatch, {kClasses, 1, 1}, 2, 3.0);
  const std::vector<int> labels{1, 4, 0};
  // In double, by softmax as it is written down; the gradient by differences.
  const auto reference = [&](const std::vector<double>& z) {
    double kl = 0.0, ce = 0.0;
    for (int n = 0; n < kBatch; ++n) {
      double s_sum = 0.0, t_sum = 0.0, plain = 0.0;
      const auto s = [&](int c) { return z[static_cast<std::size_t>(n * kClasses + c)]; };
      const auto t = [&](int c) { return static_cast<double>(teacher.sample(n)[c]); };
      for (int c = 0; c < kClasses; ++c) {
        s_sum += std::exp(s(c) / kTemperature);
        t_sum += std::exp(t(c) / kTemperature);
        plain += std::exp(s(c));
      }
      for (int c = 0; c < kClasses; ++c) {
        const double p = std::exp(s(c) / kTemperature) / s_sum, q = std::exp(t(c) / kTemperature) / t_sum;
        kl += q * std::log(q / p) / kBatch;
      }
      ce -= std::log(std::exp(s(labels[static_cast<std::size_t>(n)])) / plain) / kBatch;
    }
    return kWeight * kTemperature * kTemperature * kl + (1.0 - kWeight) * ce;
  };
  const std::vector<double> z(student.data(), student.data() + kBatch * kClasses);
  Tensor gradient;
  const double label_loss = softmax_cross_entropy(student, labels, 0.0, &gradient);
  const double loss = distill(student, teacher, kWeight, kTemperature, label_loss, gradient);
  BOOST_TEST(loss == reference(z), boost::test_tools::tolerance(1e-9));
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < z.size(); ++i) {
    auto up = z, down = z;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope = (reference(up) - reference(down)) / (2 * kStep);
    BOOST_TEST(std::abs(static_cast<double>(gradient.data()[i]) - slope) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(a_student_that_answers_like_its_teacher_has_nothing_to_learn_from_it) {
  const Tensor logits = random_tensor(2, {4, 1, 1}, 1, 5.0);
  Tensor gradient(2, {4, 1, 1});
  gradient.fill(1.0f);
  BOOST_TEST(distill(logits, logits, 1.0, 4.0, 3.0, gradient) == 0.0);
  for (int i = 0; i < 8; ++i) BOOST_TEST(gradient.data()[i] == 0.0f);
}

BOOST_AUTO_TEST_CASE(huge_logits_stay_finite) {
  Tensor student(1, {2, 1, 1}), teacher(1, {2, 1, 1}), gradient(1, {2, 1, 1});
  student.data()[0] = 3e38f, student.data()[1] = -3e38f;
  teacher.data()[0] = -3e38f, teacher.data()[1] = 3e38f;
  gradient.fill(0.0f);
  BOOST_TEST(std::isfinite(distill(student, teacher, 0.5, 4.0, 1.0, gradient)));
  for (int i = 0; i < 2; ++i) BOOST_TEST(std::isfinite(gradient.data()[i]));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(loss_traces)

BOOST_AUTO_TEST_CASE(a_trace_is_bounded_and_keeps_the_mean) {
  LossTrace trace;
  double sum = 0.0;
  constexpr int kSteps = 3 * static_cast<int>(LossTrace::kMaxPoints) + 5;
  for (int i = 0; i < kSteps; ++i) {
    trace.add(i);
    sum += i;
    BOOST_REQUIRE(trace.points.size() <= LossTrace::kMaxPoints);
  }
  BOOST_TEST(trace.stride == 4);
  BOOST_TEST(static_cast<int>(trace.points.size()) * trace.stride + trace.pending_steps == kSteps);
  double kept = trace.pending;
  for (float point : trace.points) kept += static_cast<double>(point) * static_cast<double>(trace.stride);
  BOOST_TEST(kept == sum, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(trace.points[1] == 5.5f);  // steps 4 to 7
}

BOOST_AUTO_TEST_SUITE_END()
