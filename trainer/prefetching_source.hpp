#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trainer/batch_source.hpp"

namespace bitsmith::trainer {

/// Another source's batches, each prepared on a thread of its own while its user works with the one before.
/// Two batches are in memory, which change places: in the steady state nothing is allocated. What the source
/// throws is thrown by the fill() that would have got that batch. Any step may be asked for at any time; one
/// that does not follow the last is prepared on the spot.
class PrefetchingSource final : public BatchSource {
 public:
  /// Borrows `source`, which nobody else may use until this is destroyed. Steps of `end` and more are not
  /// prepared ahead.
  PrefetchingSource(BatchSource& source, std::int64_t end);
  /// Waits for the batch in the making, if any.
  ~PrefetchingSource() override;

  quant::Shape shape() const override { return source_.shape(); }
  int classes() const override { return source_.classes(); }
  std::int64_t images() const override { return source_.images(); }
  std::int64_t batches_per_epoch() const override { return source_.batches_per_epoch(); }
  std::uint64_t seed() const override { return source_.seed(); }
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override;

 private:
  void work();

  BatchSource& source_;
  std::int64_t end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t ahead_ = -1;  ///< the step that is or was prepared; -1: none
  bool ready_ = true;        ///< nothing is in the making: the worker waits
  bool stop_ = false;
  std::exception_ptr error_;  ///< in place of the batch ahead
  Tensor images_;             ///< the worker's while !ready_, like the next
  std::vector<int> labels_;
  std::thread worker_;
};

/// The source with its batches prepared ahead; or, where there is one thread only (base::Sequential, one
/// thread in all), the source as it is.
std::unique_ptr<BatchSource> prefetched(BatchSource& source, std::int64_t end);

}  // namespace bitsmith::trainer
