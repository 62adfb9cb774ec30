#pragma once

#include <memory>
#include <vector>

#include "trainer/arithmetic.hpp"
#include "trainer/buffer_plan.hpp"
#include "trainer/layer.hpp"
#include "trainer/network.hpp"
#include "trainer/operations.hpp"
#include "trainer/parts.hpp"
#include "trainer/slot_memory.hpp"
#include "trainer/stages.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Runs a network's operations over a batch cut into parts. All parts go through the operations of a stage, a
/// chunk of samples at a time, and wait for each other where batch norms look at the whole batch.
class Executor {
 public:
  /// All arguments must outlive it; `quantization` has an entry per quantizable layer.
  Executor(const quant::NetworkInfo& info, std::vector<Parameter>& parameters, std::vector<Buffer>& buffers,
           const std::vector<LayerQuantization>& quantization, const Arithmetic& arithmetic);
  ~Executor();

  const Tensor& forward(const Tensor& images, Mode mode, int shards);
  const Tensor& forward_observed(const Tensor& images, int shards, const InputObserver& observer);
  void backward(const Tensor& logits_gradient);
  void reset_running_statistics();
  void freeze_statistics(bool frozen);
  /// Quantization or arithmetic have changed: the next forward makes layers ready for that.
  void forget_reservations();

 private:
  /// One way through the network: its stages, where values lie, and for what it has been made ready.
  struct Route {
    ForwardPlan plan;
    std::vector<Stage> stages;
    SlotMemory memory;
    int batch = 0, shards = 0;  ///< reserved; 0: nothing
    std::vector<Part> parts;
    std::vector<std::vector<std::vector<Part>>> chunks;  ///< [stage][part]
  };

  void check(const Tensor& images, Mode mode) const;
  void reserve(Route& route, int batch, int shards, bool backward);
  void reserve_layers(const Route& route, bool backward);
  void prepare(Mode mode);
  const Tensor& run(Route& route, const Tensor& images, Mode mode, int shards, const InputObserver* observer);
  void run_forward_stage(Route& route, std::size_t stage, int part, const Tensor& images, Mode mode,
                         const InputObserver* observer);
  void run_backward_stage(std::size_t stage, int part);
  ForwardPart forward_part(Route& route, const Operation& operation, std::size_t index, int p,
                           const Part& chunk, const Tensor& images);
  BackwardPart backward_part(const BackwardStep& step, int p, const Part& chunk);
  void add_gradients(const BackwardStep& step, int p, const Part& chunk);
  std::int64_t input_elements(const Operation& operation, std::size_t k) const;  ///< per sample
  const float* recompute(int operation, int slot, int p, const Part& chunk);
  const float* value(int operation, int p, int first);
  float* output(Route& route, std::size_t operation, int p, int first);

  std::vector<Operation> operations_;
  std::vector<std::unique_ptr<Layer>> layers_;  ///< per operation
  quant::Shape input_;
  std::vector<int> weak_batch_norms_;  ///< operations whose batch statistics need more than one sample

  Route train_, recalibrate_, evaluate_;
  BackwardPlan backward_plan_;
  std::vector<Stage> backward_stages_;
  std::vector<std::vector<std::vector<Part>>> backward_chunks_;
  SlotMemory gradients_;
  std::vector<Tensor> scratch_;  ///< per part
  Tensor logits_;
  const Tensor* trained_images_ = nullptr;  ///< of the last forward(train)
};

}  // namespace bitsmith::trainer
