#include "quant/base/parallel.hpp"

#include <omp.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <memory>

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif

namespace bitsmith::base {
namespace {

thread_local bool sequential = false;
std::unique_ptr<tbb::task_arena> arena;

// The thread sanitizer cannot see how TBB, which is not built with it, hands over work: this tells it.
#if defined(__SANITIZE_THREAD__)
void receive(char& handed) { __tsan_acquire(&handed); }
void hand_over(char& handed) { __tsan_release(&handed); }
#else
void receive(char&) {}
void hand_over(char&) {}
#endif

}  // namespace

void set_thread_count(int threads) {
  const int count = threads > 0 ? threads : tbb::info::default_concurrency();
  static std::unique_ptr<tbb::global_control> limit;
  limit.reset();
  limit = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, count);
  arena = std::make_unique<tbb::task_arena>(count);
}

int thread_count() {
  if (!arena) set_thread_count(0);
  return arena->max_concurrency();
}

void parallel_for(int count, const std::function<void(int)>& body) {
  omp_set_num_threads(1);
  if (sequential || count <= 1 || thread_count() == 1) {
    for (int i = 0; i < count; ++i) body(i);
    return;
  }
  char begun = 0, done = 0;
  hand_over(begun);
  const auto on_one_thread = [&](int i) {
    receive(begun);
    omp_set_num_threads(1);
    body(i);
    hand_over(done);
  };
  arena->execute([&] { tbb::parallel_for(0, count, 1, on_one_thread, tbb::simple_partitioner()); });
  receive(done);
}

Sequential::Sequential() : outer_(sequential) { sequential = true; }
Sequential::~Sequential() { sequential = outer_; }
bool is_sequential() { return sequential; }

}  // namespace bitsmith::base
