#pragma once

#include <functional>

namespace bitsmith::base {

/// The one seam to TBB. `set_thread_count(n)` bounds every later parallel_for of the process (0: all CPUs
/// this process may use). Every thread that runs a body has told OpenMP, and so oneDNN, to use one thread.
void set_thread_count(int threads);
int thread_count();

/// Runs body(0..count-1), in any order, on the thread pool; returns when all are done. The first exception
/// thrown is rethrown. Bodies must write to disjoint places; whoever reduces does so afterwards, in index
/// order. May be nested; inside `sequential` it runs the bodies in order on the calling thread.
void parallel_for(int count, const std::function<void(int)>& body);

/// While alive, parallel_for of this thread runs on this thread alone: for what is already one of many
/// parallel parts.
class Sequential {
 public:
  Sequential();
  ~Sequential();
  Sequential(const Sequential&) = delete;
  Sequential& operator=(const Sequential&) = delete;

 private:
  bool outer_;
};

/// Whether a Sequential of this thread is alive.
bool is_sequential();

}  // namespace bitsmith::base
