#include "trainer/prefetching_source.hpp"

#include <boost/test/unit_test.hpp>

#include <cstring>
#include <set>
#include <thread>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/training/trainings.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

constexpr quant::Shape kShape{1, 6, 6};

/// Forwards, tells which thread filled which step, and fails at one.
class Watched final : public BatchSource {
 public:
  Watched(BatchSource& source, std::int64_t bad_step = -1) : source_(source), bad_step_(bad_step) {}
  quant::Shape shape() const override { return source_.shape(); }
  int classes() const override { return source_.classes(); }
  std::int64_t images() const override { return source_.images(); }
  std::int64_t batches_per_epoch() const override { return source_.batches_per_epoch(); }
  std::uint64_t seed() const override { return source_.seed(); }
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override {
    steps.push_back(step);
    threads.insert(std::this_thread::get_id());
    if (step == bad_step_) throw base::UserError("step " + std::to_string(step) + " cannot be read");
    source_.fill(step, images, labels);
  }

  std::vector<std::int64_t> steps;
  std::set<std::thread::id> threads;

 private:
  BatchSource& source_;
  std::int64_t bad_step_;
};

struct Fixture {
  DataPart part = bright_part(kShape, 50, 1);
  TrainingSource plain{part, {1, true}, 8, 3}, source{part, {1, true}, 8, 3};
  Tensor images, expected;
  std::vector<int> labels, expected_labels;

  bool same_batch(BatchSource& got, std::int64_t step) {
    got.fill(step, images, labels);
    plain.fill(step, expected, expected_labels);
    return labels == expected_labels && images.elements() == expected.elements() &&
           std::memcmp(images.data(), expected.data(),
                       static_cast<std::size_t>(images.elements()) * sizeof(float)) == 0;
  }
};
}  // namespace

BOOST_FIXTURE_TEST_SUITE(prefetching, Fixture)

BOOST_AUTO_TEST_CASE(batches_are_those_of_the_source_whatever_the_order_of_steps) {
  PrefetchingSource ahead(source, 100);
  for (const std::int64_t step : {0, 1, 2, 3, 17, 18, 4, 4, 5, 99, 100, 0})
    BOOST_TEST(same_batch(ahead, step), "step " << step);
}

BOOST_AUTO_TEST_CASE(each_batch_is_made_once_and_all_but_the_first_on_another_thread) {
  Watched watched(source);
  {
    PrefetchingSource ahead(watched, 5);
    for (std::int64_t step = 0; step < 5; ++step) BOOST_TEST(same_batch(ahead, step));
  }
  BOOST_TEST(watched.steps == (std::vector<std::int64_t>{0, 1, 2, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST(watched.threads.size() == 2u);
}

BOOST_AUTO_TEST_CASE(two_pieces_of_memory_change_places) {
  PrefetchingSource ahead(source, 100);
  std::set<const float*> seen;
  for (std::int64_t step = 0; step < 20; ++step) {
    ahead.fill(step, images, labels);
    seen.insert(images.data());
  }
  BOOST_TEST(seen.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_the_source_throws_is_thrown_where_its_batch_is_asked_for) {
  Watched watched(source, 2);
  PrefetchingSource ahead(watched, 100);
  BOOST_TEST(same_batch(ahead, 0));
  BOOST_TEST(same_batch(ahead, 1));
  BOOST_CHECK_EXCEPTION(ahead.fill(2, images, labels), base::UserError,
                        tests::message_has("step 2 cannot be read"));
  BOOST_TEST(same_batch(ahead, 3));
  BOOST_TEST(same_batch(ahead, 4));
}

BOOST_AUTO_TEST_CASE(an_error_in_a_batch_that_nobody_asks_for_is_nobodys) {
  Watched watched(source, 1);
  PrefetchingSource ahead(watched, 100);
  BOOST_TEST(same_batch(ahead, 0));
  BOOST_TEST(same_batch(ahead, 7));
}

BOOST_AUTO_TEST_CASE(trainings_end_the_same_with_it_and_without) {
  const auto train_here = [&] {
    Network network(conv_info(kShape), 1);
    TrainOptions options;
    options.epochs = 2;
    options.batch = 8;
    options.learning_rate = 0.05;
    options.mixup = 0.3;
    Watched watched(source);
    train(network, watched, options);
    return std::pair(std::move(network), watched.threads.size());
  };
  base::set_thread_count(2);
  const auto [two, threads] = train_here();
  BOOST_TEST(threads == 2u);
  const base::Sequential alone;
  const auto [one, single] = train_here();
  BOOST_TEST(single == 1u);
  BOOST_TEST(same_numbers(one, two));
  base::set_thread_count(0);
}

BOOST_AUTO_TEST_SUITE_END()
