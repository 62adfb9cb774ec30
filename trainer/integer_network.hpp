#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/network_info.hpp"
#include "quant/plan.hpp"
#include "trainer/deployed_model.hpp"
#include "trainer/network.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Runs a plan: every step's kernel made ready, all activations in one piece of memory. The steps that were
/// priced are the steps that run. One thread at a time; a run allocates nothing.
class IntegerNetwork {
 public:
  /// A trained network that computes under plan.policy (see apply_policy), for batches of exactly `batch`
  /// images. Throws UserError as deploy does, and when memory runs out.
  IntegerNetwork(const Network& network, const quant::Plan& plan, int batch);
  /// What a file holds. Needs neither `model` nor the trained network afterwards. Throws UserError for a
  /// kernel that this CPU cannot run (names the layer).
  IntegerNetwork(const DeployedModel& model, int batch);
  ~IntegerNetwork();
  IntegerNetwork(IntegerNetwork&&) noexcept;
  IntegerNetwork& operator=(IntegerNetwork&&) noexcept;

  int batch() const { return batch_; }
  quant::Shape input() const { return info_->nodes.front().output; }  ///< of one image
  int outputs() const;                                                ///< logits per image
  const quant::NetworkInfo& info() const { return *info_; }

  /// `images`: batch() images of N,H,W,C, as the trained network takes them; `logits`: batch() x outputs().
  void run(const float* images, float* logits);

  /// Any number of images, a batch at a time; the last one is filled up with images that do not count.
  /// `logits` is resized.
  void run_all(const Tensor& images, Tensor& logits);
  /// Those of `images` from `first` on; `logits` has a row for each of `images` already.
  void run_range(const Tensor& images, int first, int count, Tensor& logits);

  /// The steps that run() runs, in order, and each one alone, for whoever times them:
  /// `run_step(0) ... run_step(steps().size() - 1)` is run(). A step reads what earlier ones have left.
  const std::vector<quant::Step>& steps() const { return steps_; }
  void run_step(int step, const float* images, float* logits);
  /// Where a step leaves its output (batch() images of N,H,W,C in steps()[step].to) until a later step
  /// overwrites it; null for the last step, whose output is the logits.
  void* step_output(int step);

  std::int64_t arena_bytes() const { return static_cast<std::int64_t>(arena_.size()); }
  /// What one run reads of packed weights, multipliers and biases.
  std::int64_t weight_bytes() const;

 private:
  struct Call;

  const void* source(int step, const float* images) const;

  std::unique_ptr<const quant::NetworkInfo> info_;  ///< kernels may refer to it: it stays where it is
  std::vector<quant::Step> steps_;
  std::vector<Call> calls_;
  std::vector<std::int64_t> offset_;
  base::AlignedVector<std::byte> arena_;
  Tensor rest_images_, rest_logits_;  ///< of a batch that is not full
  int batch_;
};

}  // namespace bitsmith::trainer
