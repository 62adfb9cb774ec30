#include "quant/base/parallel.hpp"

#include <omp.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {
using namespace bitsmith::base;

// Puts the number of threads back at the end of a test.
struct ThreadCount {
  explicit ThreadCount(int count) { set_thread_count(count); }
  ~ThreadCount() { set_thread_count(0); }
};
}  // namespace

BOOST_AUTO_TEST_SUITE(parallel_loops)

BOOST_AUTO_TEST_CASE(every_body_runs_once_for_any_number_of_threads) {
  for (int threads : {1, 2, 4}) {
    const ThreadCount guard(threads);
    BOOST_TEST(thread_count() == threads);
    for (int count : {0, 1, 3, 1000}) {
      std::vector<int> runs(static_cast<std::size_t>(count));
      parallel_for(count, [&](int i) { ++runs[static_cast<std::size_t>(i)]; });
      for (int times : runs) BOOST_TEST(times == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(bodies_see_one_openmp_thread) {
  const ThreadCount guard(4);
  std::atomic<int> wrong = 0;
  parallel_for(64, [&](int) { wrong += omp_get_max_threads() != 1; });
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(an_exception_reaches_the_caller) {
  const ThreadCount guard(3);
  BOOST_CHECK_THROW(parallel_for(100,
                                 [](int i) {
                                   if (i == 57) throw std::runtime_error("body 57");
                                 }),
                    std::runtime_error);
  std::atomic<int> runs = 0;
  parallel_for(10, [&](int) { ++runs; });  // the pool still works
  BOOST_TEST(runs == 10);
}

BOOST_AUTO_TEST_CASE(loops_may_be_nested) {
  const ThreadCount guard(3);
  std::atomic<int> runs = 0;
  parallel_for(8, [&](int) { parallel_for(8, [&](int) { ++runs; }); });
  BOOST_TEST(runs == 64);
}

BOOST_AUTO_TEST_CASE(inside_sequential_bodies_run_in_order_on_the_calling_thread) {
  const ThreadCount guard(4);
  std::vector<int> order;
  bool same_thread = true;
  const auto caller = std::this_thread::get_id();
  {
    const Sequential outer;
    { const Sequential inner; }
    parallel_for(50, [&](int i) {
      order.push_back(i);
      same_thread = same_thread && std::this_thread::get_id() == caller;
    });
  }
  BOOST_TEST(same_thread);
  BOOST_REQUIRE(order.size() == 50u);
  for (int i = 0; i < 50; ++i) BOOST_TEST(order[static_cast<std::size_t>(i)] == i);
}

BOOST_AUTO_TEST_SUITE_END()
