#include "trainer/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {
namespace {

/// Floats of the largest activation that evaluation works on at once: an input and an output of this size
/// share the second-level cache.
constexpr std::int64_t kEvaluationFloats = 64 * 1024;
constexpr int kMostEvaluationSamples = 64;

std::string show(const quant::Shape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

template <typename T>
T* find_by_name(std::vector<T>& items, const std::string& name) {
  const auto found = std::ranges::find(items, name, &T::name);
  return found == items.end() ? nullptr : &*found;
}

}  // namespace

void Executor::Slots::reserve(int samples, const std::vector<std::int64_t>& slot_elements) {
  elements = &slot_elements;
  tensors.resize(slot_elements.size());
  for (std::size_t s = 0; s < tensors.size(); ++s)
    tensors[s].resize(samples, {static_cast<int>(slot_elements[s]), 1, 1});
}

Executor::Executor(const quant::NetworkInfo& info, std::vector<Parameter>& parameters,
                   std::vector<Buffer>& buffers, const std::vector<LayerQuantization>& quantization)
    : operations_(plan_operations(info)), input_(info.nodes[0].output) {
  std::vector<OperationTraits> traits;
  std::int64_t largest = input_.elements();
  Stage stage;
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    const Operation& operation = operations_[i];
    const quant::Node& node = info.nodes[static_cast<std::size_t>(operation.node)];
    LayerArguments arguments{.info = info, .node = node};
    arguments.activation = operation.activation;
    arguments.weight = find_by_name(parameters, node.name + ".weight");
    arguments.bias = find_by_name(parameters, node.name + ".bias");
    arguments.running_mean = find_by_name(buffers, node.name + ".running_mean");
    arguments.running_var = find_by_name(buffers, node.name + ".running_var");
    arguments.scale = find_by_name(buffers, node.name + ".scale");
    if (operation.layer >= 0)
      arguments.quantization = &quantization[static_cast<std::size_t>(operation.layer)];
    arguments.input_is_image = operation.inputs[0] == Operation::kImages;
    layers_.push_back(layer_row(node.op).make(arguments));
    const Layer& layer = *layers_.back();
    traits.push_back({layer.keeps(), layer.forward_in_place(), layer.gradient_style()});
    largest = std::max(largest, operation.output.elements());

    const int index = static_cast<int>(i);
    if (layer.gathers(Mode::train)) {
      stage.actions.push_back({Action::Kind::gather, index});
      stage.reduce = index;
      forward_stages_.push_back(std::exchange(stage, {}));
      if (operation.output.height * operation.output.width == 1) weak_batch_norms_.push_back(index);
    }
    stage.actions.push_back({Action::Kind::run, index});
  }
  forward_stages_.push_back(std::exchange(stage, {}));

  train_plan_ = plan_forward(operations_, traits, true);
  pooled_plan_ = plan_forward(operations_, traits, false);
  backward_plan_ = plan_backward(operations_, traits);
  for (std::size_t s = 0; s < backward_plan_.steps.size(); ++s) {
    const BackwardStep& step = backward_plan_.steps[s];
    const int index = static_cast<int>(s);
    if (step.runs && layers_[static_cast<std::size_t>(step.operation)]->gathers_backward()) {
      stage.actions.push_back({Action::Kind::gather, index});
      stage.reduce = index;
      backward_stages_.push_back(std::exchange(stage, {}));
    }
    if (step.runs) stage.actions.push_back({Action::Kind::run, index});
    if (!step.sums.empty()) stage.actions.push_back({Action::Kind::sum, index});
  }
  backward_stages_.push_back(std::move(stage));
  evaluation_chunk_ =
      static_cast<int>(std::clamp<std::int64_t>(kEvaluationFloats / largest, 1, kMostEvaluationSamples));
}

Executor::~Executor() = default;

void Executor::check(const Tensor& images, Mode mode) const {
  if (images.batch() < 1) throw base::UserError("a batch without images cannot be computed");
  if (images.shape() != input_)
    throw base::UserError(
        fmt::format("images are {}, but the network's input is {}", show(images.shape()), show(input_)));
  if (mode != Mode::evaluate && images.batch() == 1 && !weak_batch_norms_.empty())
    throw base::UserError(
        "a batch of one image gives a batch norm a single value per channel, which has no variance: use "
        "larger "
        "batches, or leave the last one out");
}

void Executor::reserve_layers(int parts, const std::vector<int>& sizes, bool backward) {
  base::parallel_for(static_cast<int>(layers_.size()),
                     [&](int i) { layers_[static_cast<std::size_t>(i)]->reserve(parts, sizes, backward); });
  std::int64_t most = 0;
  for (const auto& layer : layers_)
    for (int samples : sizes) most = std::max(most, layer->scratch_floats(samples, backward));
  if (scratch_.size() < static_cast<std::size_t>(parts)) scratch_.resize(static_cast<std::size_t>(parts));
  for (Tensor& scratch : scratch_)
    if (scratch.elements() < most) scratch.resize(1, {static_cast<int>(most), 1, 1});
}

void Executor::reserve_training(int batch, Mode mode, int shards) {
  const bool backward = mode == Mode::train;
  const bool same = batch == reserved_batch_ && shards == reserved_shards_ && reserved_backward_ >= backward;
  if (!same) {
    parts_ = cut_into_parts(batch, shards);
    reserve_layers(static_cast<int>(parts_.size()), part_sizes(parts_), backward);
    reserved_batch_ = batch;
    reserved_shards_ = shards;
    reserved_backward_ = backward;
  }
  if (backward) {
    train_slots_.reserve(batch, train_plan_.slot_elements);
    gradient_slots_.reserve(batch, backward_plan_.slot_elements);
  } else {
    pooled_slots_.reserve(batch, pooled_plan_.slot_elements);
  }
  logits_.resize(batch, operations_.back().output);
}

void Executor::reserve_lanes(int batch, int shards) {
  if (batch != reserved_lanes_batch_ || shards != reserved_lanes_) {
    lanes_ = cut_into_parts(batch, shards);
    chunks_.clear();
    std::vector<Part> all;
    for (const Part& lane : lanes_) {
      const int chunks = (lane.samples + evaluation_chunk_ - 1) / evaluation_chunk_;
      chunks_.push_back(cut_into_parts(lane.samples, chunks));
      for (Part& chunk : chunks_.back()) chunk.first += lane.first;
      all.insert(all.end(), chunks_.back().begin(), chunks_.back().end());
    }
    reserve_layers(static_cast<int>(lanes_.size()), part_sizes(all), false);
    lane_slots_.resize(lanes_.size());
    for (Slots& slots : lane_slots_) slots.reserve(evaluation_chunk_, pooled_plan_.slot_elements);
    reserved_lanes_batch_ = batch;
    reserved_lanes_ = shards;
  }
  logits_.resize(batch, operations_.back().output);
}

void Executor::prepare(Mode mode) {
  base::parallel_for(static_cast<int>(layers_.size()),
                     [&](int i) { layers_[static_cast<std::size_t>(i)]->prepare(mode); });
}

const Tensor& Executor::forward(const Tensor& images, Mode mode, int shards) {
  check(images, mode);
  trained_images_ = nullptr;
  if (mode == Mode::evaluate) {
    reserve_lanes(images.batch(), shards);
    prepare(mode);
    base::parallel_for(static_cast<int>(lanes_.size()), [&](int lane) { run_lane(images, lane, nullptr); });
  } else {
    reserve_training(images.batch(), mode, shards);
    prepare(mode);
    run_batch(images, mode);
    if (mode == Mode::train) trained_images_ = &images;
  }
  return logits_;
}

const Tensor& Executor::forward_observed(const Tensor& images, int shards, const InputObserver& observer) {
  check(images, Mode::evaluate);
  trained_images_ = nullptr;
  reserve_lanes(images.batch(), shards);
  prepare(Mode::evaluate);
  const base::Sequential sequential;
  base::parallel_for(static_cast<int>(lanes_.size()), [&](int lane) { run_lane(images, lane, &observer); });
  return logits_;
}

float* Executor::output(Slots& slots, const ForwardPlan& plan, std::size_t operation, int first_in_slot,
                        int first_in_batch) {
  const int slot = plan.slot[operation];
  return slot < 0 ? logits_.sample(first_in_batch) : slots.at(slot, first_in_slot);
}

void Executor::run_lane(const Tensor& images, int lane, const InputObserver* observer) {
  Slots& slots = lane_slots_[static_cast<std::size_t>(lane)];
  for (const Part& chunk : chunks_[static_cast<std::size_t>(lane)]) {
    ForwardPart part;
    part.part = lane;
    part.samples = chunk.samples;
    part.mode = Mode::evaluate;
    part.scratch = scratch_[static_cast<std::size_t>(lane)].data();
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      const Operation& operation = operations_[i];
      for (std::size_t k = 0; k < operation.inputs.size(); ++k)
        part.x[k] = operation.inputs[k] == Operation::kImages
                        ? images.sample(chunk.first)
                        : slots.at(pooled_plan_.slot[static_cast<std::size_t>(operation.inputs[k])], 0);
      part.y = output(slots, pooled_plan_, i, 0, chunk.first);
      if (observer != nullptr && operation.observed >= 0) {
        const std::int64_t elements =
            operation.inputs[0] == Operation::kImages
                ? input_.elements()
                : operations_[static_cast<std::size_t>(operation.inputs[0])].output.elements();
        (*observer)(operation.observed, part.x[0], chunk.samples * elements);
      }
      layers_[i]->forward(part);
    }
  }
}

void Executor::run_batch(const Tensor& images, Mode mode) {
  const bool train = mode == Mode::train;
  Slots& slots = train ? train_slots_ : pooled_slots_;
  const ForwardPlan& plan = train ? train_plan_ : pooled_plan_;
  const int count = static_cast<int>(parts_.size());
  for (const Stage& stage : forward_stages_) {
    base::parallel_for(count, [&](int p) {
      const Part& range = parts_[static_cast<std::size_t>(p)];
      ForwardPart part;
      part.part = p;
      part.samples = range.samples;
      part.mode = mode;
      part.scratch = scratch_[static_cast<std::size_t>(p)].data();
      for (const Action& action : stage.actions) {
        const auto i = static_cast<std::size_t>(action.index);
        const Operation& operation = operations_[i];
        for (std::size_t k = 0; k < operation.inputs.size(); ++k)
          part.x[k] = operation.inputs[k] == Operation::kImages
                          ? images.sample(range.first)
                          : slots.at(plan.slot[static_cast<std::size_t>(operation.inputs[k])], range.first);
        part.y = output(slots, plan, i, range.first, range.first);
        if (action.kind == Action::Kind::gather)
          layers_[i]->gather(part);
        else
          layers_[i]->forward(part);
      }
    });
    if (stage.reduce >= 0) layers_[static_cast<std::size_t>(stage.reduce)]->reduce(count, mode);
  }
}

const float* Executor::value(int operation, const Part& part) {
  if (operation == Operation::kImages) return trained_images_->sample(part.first);
  return output(train_slots_, train_plan_, static_cast<std::size_t>(operation), part.first, part.first);
}

BackwardPart Executor::backward_part(const BackwardStep& step, int p) {
  const Part& range = parts_[static_cast<std::size_t>(p)];
  const Operation& operation = operations_[static_cast<std::size_t>(step.operation)];
  BackwardPart part;
  part.part = p;
  part.samples = range.samples;
  part.scratch = scratch_[static_cast<std::size_t>(p)].data();
  for (std::size_t k = 0; k < operation.inputs.size(); ++k) part.x[k] = value(operation.inputs[k], range);
  part.y = value(step.operation, range);
  part.dy = gradient_slots_.at(step.dy, range.first);
  for (int k = 0; k < 2; ++k)
    if (step.dx[k] >= 0) part.dx[k] = gradient_slots_.at(step.dx[k], range.first);
  return part;
}

void Executor::run_backward_stage(const Stage& stage, int p) {
  const Part& range = parts_[static_cast<std::size_t>(p)];
  for (const Action& action : stage.actions) {
    const BackwardStep& step = backward_plan_.steps[static_cast<std::size_t>(action.index)];
    Layer& layer = *layers_[static_cast<std::size_t>(step.operation)];
    if (action.kind == Action::Kind::gather) {
      layer.gather_backward(backward_part(step, p));
    } else if (action.kind == Action::Kind::run) {
      layer.backward(backward_part(step, p));
    } else {
      const Activation none;
      for (const GradientSum& sum : step.sums) {
        const std::int64_t values =
            range.samples * operations_[static_cast<std::size_t>(sum.of)].output.elements();
        passes().add(gradient_slots_.at(sum.a, range.first), gradient_slots_.at(sum.b, range.first), values,
                     none.low, none.high, gradient_slots_.at(sum.out, range.first));
      }
    }
  }
}

void Executor::backward(const Tensor& logits_gradient) {
  base::require(trained_images_ != nullptr, "Network::backward: call it right after forward(train)");
  base::require(logits_gradient.batch() == logits_.batch() && logits_gradient.shape() == logits_.shape(),
                "Network::backward: the gradient's shape is not that of the logits");
  const int count = static_cast<int>(parts_.size());
  for (const Part& range : parts_)
    std::memcpy(gradient_slots_.at(backward_plan_.logits_slot, range.first),
                logits_gradient.sample(range.first),
                static_cast<std::size_t>(range.samples * logits_.shape().elements()) * sizeof(float));
  for (const Stage& stage : backward_stages_) {
    base::parallel_for(count, [&](int p) { run_backward_stage(stage, p); });
    if (stage.reduce < 0) continue;
    const BackwardStep& step = backward_plan_.steps[static_cast<std::size_t>(stage.reduce)];
    layers_[static_cast<std::size_t>(step.operation)]->reduce_backward(count);
  }
  base::parallel_for(static_cast<int>(layers_.size()),
                     [&](int i) { layers_[static_cast<std::size_t>(i)]->finish_backward(count); });
}

void Executor::reset_running_statistics() {
  for (const auto& layer : layers_) layer->restart_running_statistics();
}

}  // namespace bitsmith::trainer
