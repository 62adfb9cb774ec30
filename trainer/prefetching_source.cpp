#include "trainer/prefetching_source.hpp"

#include <utility>

#include "quant/base/parallel.hpp"

namespace bitsmith::trainer {
namespace {

/// Another source, as it is.
class Borrowed final : public BatchSource {
 public:
  explicit Borrowed(BatchSource& source) : source_(source) {}
  quant::Shape shape() const override { return source_.shape(); }
  int classes() const override { return source_.classes(); }
  std::int64_t images() const override { return source_.images(); }
  std::int64_t batches_per_epoch() const override { return source_.batches_per_epoch(); }
  std::uint64_t seed() const override { return source_.seed(); }
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override {
    source_.fill(step, images, labels);
  }

 private:
  BatchSource& source_;
};

}  // namespace

PrefetchingSource::PrefetchingSource(BatchSource& source, std::int64_t end)
    : source_(source), end_(end), worker_([this] { work(); }) {}

PrefetchingSource::~PrefetchingSource() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

void PrefetchingSource::fill(std::int64_t step, Tensor& images, std::vector<int>& labels) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_; });
  const bool prepared = ahead_ == step;
  ahead_ = -1;
  const std::exception_ptr error = std::exchange(error_, nullptr);
  if (prepared && error) std::rethrow_exception(error);
  if (prepared) {
    std::swap(images, images_);
    std::swap(labels, labels_);
  } else {
    source_.fill(step, images, labels);
  }
  if (step + 1 >= end_) return;
  ahead_ = step + 1;
  ready_ = false;
  changed_.notify_all();
}

void PrefetchingSource::work() {
  const base::Sequential alone;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !ready_; });
    if (stop_) return;
    const std::int64_t step = ahead_;
    lock.unlock();
    std::exception_ptr error;
    try {
      source_.fill(step, images_, labels_);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    ready_ = true;
    changed_.notify_all();
  }
}

std::unique_ptr<BatchSource> prefetched(BatchSource& source, std::int64_t end) {
  if (base::is_sequential() || base::thread_count() == 1) return std::make_unique<Borrowed>(source);
  return std::make_unique<PrefetchingSource>(source, end);
}

}  // namespace bitsmith::trainer
