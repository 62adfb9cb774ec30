#pragma once

#include <memory>
#include <vector>

#include "trainer/buffer_plan.hpp"
#include "trainer/layer.hpp"
#include "trainer/network.hpp"
#include "trainer/operations.hpp"
#include "trainer/parts.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Runs a network's operations over a batch cut into parts. Training and recalibration go operation by
/// operation as far as batch norms force all parts to wait for each other; between two such points each part
/// runs through several operations on its own. Evaluation takes a few samples at a time, small enough for the
/// cache, through the whole network.
class Executor {
 public:
  /// All arguments must outlive it; `quantization` has an entry per quantizable layer.
  Executor(const quant::NetworkInfo& info, std::vector<Parameter>& parameters, std::vector<Buffer>& buffers,
           const std::vector<LayerQuantization>& quantization);
  ~Executor();

  const Tensor& forward(const Tensor& images, Mode mode, int shards);
  const Tensor& forward_observed(const Tensor& images, int shards, const InputObserver& observer);
  void backward(const Tensor& logits_gradient);
  void reset_running_statistics();
  void freeze_statistics(bool frozen);

 private:
  /// What a part does between two points where all parts wait for each other.
  struct Action {
    enum class Kind { gather, run, sum } kind = Kind::run;
    int index = 0;  ///< forward: operation; backward: step
  };
  struct Stage {
    std::vector<Action> actions;
    int reduce = -1;  ///< operation (forward) or step (backward) that reduces after the stage
  };

  struct Slots {
    std::vector<Tensor> tensors;
    const std::vector<std::int64_t>* elements = nullptr;
    void reserve(int samples, const std::vector<std::int64_t>& slot_elements);
    float* at(int slot, int first) {
      return tensors[static_cast<std::size_t>(slot)].data() +
             first * (*elements)[static_cast<std::size_t>(slot)];
    }
  };

  void check(const Tensor& images, Mode mode) const;
  void reserve_layers(int parts, const std::vector<int>& sizes, bool backward);
  void reserve_training(int batch, Mode mode, int shards);
  void reserve_lanes(int batch, int shards);
  void prepare(Mode mode);
  void run_batch(const Tensor& images, Mode mode);
  void run_lane(const Tensor& images, int lane, const InputObserver* observer);
  void run_backward_stage(const Stage& stage, int part);
  BackwardPart backward_part(const BackwardStep& step, int part);
  const float* value(int operation, const Part& part);
  float* output(Slots& slots, const ForwardPlan& plan, std::size_t operation, int first_in_slot,
                int first_in_batch);

  std::vector<Operation> operations_;
  std::vector<std::unique_ptr<Layer>> layers_;  ///< per operation
  quant::Shape input_;
  ForwardPlan train_plan_, pooled_plan_;
  BackwardPlan backward_plan_;
  std::vector<Stage> forward_stages_, backward_stages_;
  std::vector<int> weak_batch_norms_;  ///< operations whose batch statistics need more than one sample

  Slots train_slots_, pooled_slots_, gradient_slots_;
  std::vector<Slots> lane_slots_;
  std::vector<Tensor> scratch_;  ///< per part
  Tensor logits_;
  std::vector<Part> parts_;
  std::vector<Part> lanes_;
  std::vector<std::vector<Part>> chunks_;  ///< per lane
  int evaluation_chunk_ = 1;
  int reserved_batch_ = 0, reserved_shards_ = 0, reserved_lanes_batch_ = 0, reserved_lanes_ = 0;
  bool reserved_backward_ = false;
  const Tensor* trained_images_ = nullptr;  ///< of the last forward(train)
};

}  // namespace bitsmith::trainer
