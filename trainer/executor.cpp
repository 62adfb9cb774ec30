#include "trainer/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {
namespace {

std::string show(const quant::Shape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

template <typename T>
T* find_by_name(std::vector<T>& items, const std::string& name) {
  const auto found = std::ranges::find(items, name, &T::name);
  return found == items.end() ? nullptr : &*found;
}

/// [stage][part]: the pieces in which a stage takes each part, of nearly equal size.
std::vector<std::vector<std::vector<Part>>> cut_into_chunks(const std::vector<Stage>& stages,
                                                            const std::vector<Part>& parts) {
  std::vector<std::vector<std::vector<Part>>> chunks(stages.size());
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (const Part& part : parts) {
      chunks[s].push_back(
          cut_into_parts(part.samples, (part.samples + stages[s].chunk - 1) / stages[s].chunk));
      for (Part& chunk : chunks[s].back()) chunk.first += part.first;
    }
  return chunks;
}

int largest_chunk(const std::vector<Stage>& stages) {
  return std::ranges::max_element(stages, {}, &Stage::chunk)->chunk;
}

/// Adds the chunk sizes with which a stage calls each layer that `layer_of` names for its actions.
template <typename LayerOf>
void collect_sizes(const std::vector<Stage>& stages,
                   const std::vector<std::vector<std::vector<Part>>>& chunks, const LayerOf& layer_of,
                   std::vector<std::vector<int>>& sizes) {
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (const Action& action : stages[s].actions) {
      std::vector<int>& of_layer = sizes[static_cast<std::size_t>(layer_of(action))];
      for (const auto& part : chunks[s])
        for (const Part& chunk : part)
          if (std::ranges::find(of_layer, chunk.samples) == of_layer.end()) of_layer.push_back(chunk.samples);
    }
}

}  // namespace

Executor::Executor(const quant::NetworkInfo& info, std::vector<Parameter>& parameters,
                   std::vector<Buffer>& buffers, const std::vector<LayerQuantization>& quantization,
                   const Arithmetic& arithmetic)
    : operations_(plan_operations(info)), input_(info.nodes[0].output) {
  std::vector<OperationTraits> traits;
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
    arguments.arithmetic = &arithmetic;
    arguments.input_is_image = operation.inputs[0] == Operation::kImages;
    layers_.push_back(layer_row(node.op).make(arguments));
    const Layer& layer = *layers_.back();
    traits.push_back({layer.keeps(), layer.forward_in_place(), layer.gradient_style(),
                      layer.gathers(Mode::train), layer.gathers_backward(), layer.recomputes()});
    if (traits.back().gathers && operation.output.height * operation.output.width == 1)
      weak_batch_norms_.push_back(static_cast<int>(i));
  }
  const auto make_route = [&](Pass pass) {
    Route route;
    route.plan = plan_forward(operations_, traits, pass);
    route.stages = forward_stages(operations_, traits, input_, pass != Pass::evaluate);
    return route;
  };
  train_ = make_route(Pass::train);
  recalibrate_ = make_route(Pass::recalibrate);
  evaluate_ = make_route(Pass::evaluate);
  backward_plan_ = plan_backward(operations_, traits);
  backward_stages_ = backward_stages(operations_, traits, backward_plan_);
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
        "larger batches, or leave the last one out");
}

void Executor::forget_reservations() { train_.batch = recalibrate_.batch = evaluate_.batch = 0; }

void Executor::reserve(Route& route, int batch, int shards, bool backward) {
  if (batch != route.batch || shards != route.shards) {
    route.parts = cut_into_parts(batch, shards);
    route.chunks = cut_into_chunks(route.stages, route.parts);
    const int parts = static_cast<int>(route.parts.size());
    route.memory.reserve(route.plan.slots, batch, parts, largest_chunk(route.stages));
    if (backward) {
      backward_chunks_ = cut_into_chunks(backward_stages_, route.parts);
      gradients_.reserve(backward_plan_.slots, batch, parts, largest_chunk(backward_stages_));
    }
    reserve_layers(route, backward);
    route.batch = batch;
    route.shards = shards;
  }
  logits_.resize(batch, operations_.back().output);
}

void Executor::reserve_layers(const Route& route, bool backward) {
  std::vector<std::vector<int>> sizes(layers_.size());
  collect_sizes(
      route.stages, route.chunks, [](const Action& action) { return action.index; }, sizes);
  if (backward)
    collect_sizes(
        backward_stages_, backward_chunks_,
        [&](const Action& action) {
          return backward_plan_.steps[static_cast<std::size_t>(action.index)].operation;
        },
        sizes);
  const int parts = static_cast<int>(route.parts.size());
  base::parallel_for(static_cast<int>(layers_.size()), [&](int i) {
    layers_[static_cast<std::size_t>(i)]->reserve(parts, sizes[static_cast<std::size_t>(i)], backward);
  });
  std::int64_t most = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i)
    for (int samples : sizes[i]) most = std::max(most, layers_[i]->scratch_floats(samples, backward));
  if (scratch_.size() < route.parts.size()) scratch_.resize(route.parts.size());
  for (Tensor& scratch : scratch_)
    if (scratch.elements() < most) scratch.resize(1, {static_cast<int>(most), 1, 1});
}

void Executor::prepare(Mode mode) {
  base::parallel_for(static_cast<int>(layers_.size()),
                     [&](int i) { layers_[static_cast<std::size_t>(i)]->prepare(mode); });
}

const Tensor& Executor::run(Route& route, const Tensor& images, Mode mode, int shards,
                            const InputObserver* observer) {
  check(images, mode);
  trained_images_ = nullptr;
  reserve(route, images.batch(), shards, mode == Mode::train);
  prepare(mode);
  const int parts = static_cast<int>(route.parts.size());
  for (std::size_t s = 0; s < route.stages.size(); ++s) {
    base::parallel_for(parts, [&](int p) { run_forward_stage(route, s, p, images, mode, observer); });
    const int reduce = route.stages[s].reduce;
    if (reduce >= 0) layers_[static_cast<std::size_t>(reduce)]->reduce(parts, mode);
  }
  return logits_;
}

const Tensor& Executor::forward(const Tensor& images, Mode mode, int shards) {
  Route& route = mode == Mode::train ? train_ : mode == Mode::recalibrate ? recalibrate_ : evaluate_;
  run(route, images, mode, shards, nullptr);
  if (mode == Mode::train) trained_images_ = &images;
  return logits_;
}

const Tensor& Executor::forward_observed(const Tensor& images, int shards, const InputObserver& observer) {
  const base::Sequential sequential;
  return run(evaluate_, images, Mode::evaluate, shards, &observer);
}

std::int64_t Executor::input_elements(const Operation& operation, std::size_t k) const {
  if (k >= operation.inputs.size()) k = 0;  // the gradient of inputs that are one and the same
  const int from = operation.inputs[k];
  return from == Operation::kImages ? input_.elements()
                                    : operations_[static_cast<std::size_t>(from)].output.elements();
}

float* Executor::output(Route& route, std::size_t operation, int p, int first) {
  const int slot = route.plan.slot[operation];
  return slot < 0 ? logits_.sample(first)
                  : route.memory.at(slot, p, first, operations_[operation].output.elements());
}

ForwardPart Executor::forward_part(Route& route, const Operation& operation, std::size_t index, int p,
                                   const Part& chunk, const Tensor& images) {
  ForwardPart part;
  part.part = p;
  part.samples = chunk.samples;
  part.scratch = scratch_[static_cast<std::size_t>(p)].data();
  for (std::size_t k = 0; k < operation.inputs.size(); ++k)
    part.x[k] = operation.inputs[k] == Operation::kImages
                    ? images.sample(chunk.first)
                    : output(route, static_cast<std::size_t>(operation.inputs[k]), p, chunk.first);
  part.y = output(route, index, p, chunk.first);
  return part;
}

void Executor::run_forward_stage(Route& route, std::size_t stage, int p, const Tensor& images, Mode mode,
                                 const InputObserver* observer) {
  bool first = true;
  for (const Part& chunk : route.chunks[stage][static_cast<std::size_t>(p)]) {
    for (const Action& action : route.stages[stage].actions) {
      const auto i = static_cast<std::size_t>(action.index);
      const Operation& operation = operations_[i];
      ForwardPart part = forward_part(route, operation, i, p, chunk, images);
      part.first = first;
      part.mode = mode;
      if (observer != nullptr && operation.observed >= 0)
        (*observer)(operation.observed, part.x[0], chunk.samples * input_elements(operation, 0));
      if (action.kind == Action::Kind::gather)
        layers_[i]->gather(part);
      else
        layers_[i]->forward(part);
    }
    first = false;
  }
}

const float* Executor::value(int operation, int p, int first) {
  if (operation == Operation::kImages) return trained_images_->sample(first);
  return output(train_, static_cast<std::size_t>(operation), p, first);
}

const float* Executor::recompute(int operation, int slot, int p, const Part& chunk) {
  const Operation& again = operations_[static_cast<std::size_t>(operation)];
  ForwardPart part;
  part.part = p;
  part.samples = chunk.samples;
  part.mode = Mode::train;
  part.scratch = scratch_[static_cast<std::size_t>(p)].data();
  part.x[0] = value(again.inputs[0], p, chunk.first);
  part.y = gradients_.at(slot, p, chunk.first, again.output.elements());
  layers_[static_cast<std::size_t>(operation)]->forward(part);
  return part.y;
}

BackwardPart Executor::backward_part(const BackwardStep& step, int p, const Part& chunk) {
  const Operation& operation = operations_[static_cast<std::size_t>(step.operation)];
  BackwardPart part;
  part.part = p;
  part.samples = chunk.samples;
  part.scratch = scratch_[static_cast<std::size_t>(p)].data();
  for (std::size_t k = 0; k < operation.inputs.size(); ++k)
    part.x[k] = step.recomputed[k] >= 0 ? recompute(operation.inputs[k], step.recomputed[k], p, chunk)
                                        : value(operation.inputs[k], p, chunk.first);
  part.y = value(step.operation, p, chunk.first);
  part.dy = gradients_.at(step.dy, p, chunk.first, operation.output.elements());
  for (std::size_t k = 0; k < 2; ++k)
    if (step.dx[k] >= 0) part.dx[k] = gradients_.at(step.dx[k], p, chunk.first, input_elements(operation, k));
  return part;
}

void Executor::add_gradients(const BackwardStep& step, int p, const Part& chunk) {
  const Activation none;
  for (const GradientSum& sum : step.sums) {
    const std::int64_t elements = operations_[static_cast<std::size_t>(sum.of)].output.elements();
    passes().add(gradients_.at(sum.a, p, chunk.first, elements),
                 gradients_.at(sum.b, p, chunk.first, elements), chunk.samples * elements, none.low,
                 none.high, gradients_.at(sum.out, p, chunk.first, elements));
  }
}

void Executor::run_backward_stage(std::size_t stage, int p) {
  bool first = true;
  for (const Part& chunk : backward_chunks_[stage][static_cast<std::size_t>(p)]) {
    for (const Action& action : backward_stages_[stage].actions) {
      const BackwardStep& step = backward_plan_.steps[static_cast<std::size_t>(action.index)];
      if (action.kind == Action::Kind::sum) {
        add_gradients(step, p, chunk);
        continue;
      }
      BackwardPart part = backward_part(step, p, chunk);
      part.first = first;
      Layer& layer = *layers_[static_cast<std::size_t>(step.operation)];
      if (action.kind == Action::Kind::gather)
        layer.gather_backward(part);
      else
        layer.backward(part);
    }
    first = false;
  }
}

void Executor::backward(const Tensor& logits_gradient) {
  base::require(trained_images_ != nullptr, "Network::backward: call it right after forward(train)");
  base::require(logits_gradient.batch() == logits_.batch() && logits_gradient.shape() == logits_.shape(),
                "Network::backward: the gradient's shape is not that of the logits");
  std::memcpy(gradients_.at(backward_plan_.logits_slot, 0, 0, logits_.shape().elements()),
              logits_gradient.data(), static_cast<std::size_t>(logits_gradient.elements()) * sizeof(float));
  const int parts = static_cast<int>(train_.parts.size());
  for (std::size_t s = 0; s < backward_stages_.size(); ++s) {
    base::parallel_for(parts, [&](int p) { run_backward_stage(s, p); });
    const int reduce = backward_stages_[s].reduce;
    if (reduce < 0) continue;
    const BackwardStep& step = backward_plan_.steps[static_cast<std::size_t>(reduce)];
    layers_[static_cast<std::size_t>(step.operation)]->reduce_backward(parts);
  }
  base::parallel_for(static_cast<int>(layers_.size()),
                     [&](int i) { layers_[static_cast<std::size_t>(i)]->finish_backward(parts); });
}

void Executor::reset_running_statistics() {
  for (const auto& layer : layers_) layer->restart_running_statistics();
}

void Executor::freeze_statistics(bool frozen) {
  for (const auto& layer : layers_) layer->freeze_statistics(frozen);
}

}  // namespace bitsmith::trainer
