#include "trainer/integer_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "quant/arena_plan.hpp"
#include "quant/base/error.hpp"
#include "quant/kernels/dynamic_layer.hpp"

namespace bitsmith::trainer {

/// One of the two is there.
struct IntegerNetwork::Call {
  std::unique_ptr<quant::PreparedKernel> layer;
  std::unique_ptr<quant::PreparedStep> other;
};

namespace {

constexpr int kMostImages = 1 << 16;

std::unique_ptr<quant::PreparedKernel> prepare_layer(const quant::NetworkInfo& info,
                                                     const DeployedStep& deployed, int batch) {
  const quant::Step& step = deployed.step;
  const quant::LayerInfo& layer = info.layers[static_cast<std::size_t>(step.layer)];
  const quant::Storage from = quant::input_storage(layer, step.bits);
  const quant::KernelRow* row = quant::find_kernel_row_here(step.kernel, layer, step.bits, from, step.to);
  if (row == nullptr)
    throw base::UserError(
        fmt::format("layer '{}': kernel '{}' cannot run it on this CPU", layer.name, step.kernel));
  if (step.dynamic_bits > 0)
    return quant::prepare_dynamic_layer(layer, step.bits, step.dynamic_bits, *row, batch, deployed.layer);
  return row->prepare(layer, step.bits, from, step.to, batch, deployed.layer);
}

}  // namespace

IntegerNetwork::IntegerNetwork(const Network& network, const quant::Plan& plan, int batch)
    : IntegerNetwork(deploy(network, plan), batch) {}

IntegerNetwork::IntegerNetwork(const DeployedModel& model, int batch)
    : info_(std::make_unique<const quant::NetworkInfo>(model.network)), batch_(batch) {
  if (batch < 1 || batch > kMostImages)
    throw base::UserError(fmt::format("batch: got {}, allowed are 1 to {}", batch, kMostImages));
  base::require(!model.steps.empty() && model.steps.back().step.to == quant::Storage::f32 &&
                    model.steps.back().step.output.elements() == info_->nodes.back().output.elements(),
                "a plan ends with the logits, in f32");
  for (const DeployedStep& deployed : model.steps) steps_.push_back(deployed.step);
  quant::ArenaPlan arena = quant::plan_arena(steps_, batch);
  try {
    for (const DeployedStep& deployed : model.steps) {
      Call call;
      if (deployed.step.kind == quant::StepKind::layer)
        call.layer = prepare_layer(*info_, deployed, batch);
      else
        call.other = quant::prepare_step(deployed.step, batch, deployed.other);
      calls_.push_back(std::move(call));
    }
    arena_.resize(static_cast<std::size_t>(arena.bytes));
  } catch (const std::bad_alloc&) {
    throw base::UserError(
        fmt::format("not enough memory for network '{}' and batches of {} images (activations alone: {} MiB)",
                    info_->name, batch, arena.bytes >> 20));
  }
  offset_ = std::move(arena.offset);
}

IntegerNetwork::~IntegerNetwork() = default;
IntegerNetwork::IntegerNetwork(IntegerNetwork&&) noexcept = default;
IntegerNetwork& IntegerNetwork::operator=(IntegerNetwork&&) noexcept = default;

int IntegerNetwork::outputs() const { return static_cast<int>(info_->nodes.back().output.elements()); }

void* IntegerNetwork::step_output(int step) {
  const std::int64_t offset = offset_.at(static_cast<std::size_t>(step));
  return offset < 0 ? nullptr : arena_.data() + offset;
}

const void* IntegerNetwork::source(int step, const float* images) const {
  if (step == quant::Step::kNothing) return nullptr;
  if (step == quant::Step::kNetworkInput) return images;
  return arena_.data() + offset_[static_cast<std::size_t>(step)];
}

void IntegerNetwork::run_step(int index, const float* images, float* logits) {
  const auto i = static_cast<std::size_t>(index);
  const quant::Step& step = steps_[i];
  const void* in = source(step.first, images);
  void* out = offset_[i] < 0 ? static_cast<void*>(logits) : arena_.data() + offset_[i];
  if (calls_[i].layer)
    calls_[i].layer->run(in, out);
  else
    calls_[i].other->run(in, source(step.second, images), out);
}

void IntegerNetwork::run(const float* images, float* logits) {
  for (int i = 0; i < static_cast<int>(steps_.size()); ++i) run_step(i, images, logits);
}

std::int64_t IntegerNetwork::weight_bytes() const {
  std::int64_t bytes = 0;
  for (const Call& call : calls_)
    if (call.layer) bytes += call.layer->weight_bytes();
  return bytes;
}

void IntegerNetwork::run_all(const Tensor& images, Tensor& logits) {
  logits.resize(images.batch(), {outputs()});
  run_range(images, 0, images.batch(), logits);
}

void IntegerNetwork::run_range(const Tensor& images, int first, int count, Tensor& logits) {
  const quant::Shape shape = input();
  base::require(images.shape() == shape, "integer network: images of another shape");
  for (int end = first + count; first < end; first += batch_) {
    const int some = std::min(batch_, end - first);
    if (some == batch_) {
      run(images.sample(first), logits.sample(first));
      continue;
    }
    if (rest_images_.batch() == 0) {
      rest_images_.resize(batch_, shape);
      rest_images_.fill(0.0f);
      rest_logits_.resize(batch_, {outputs()});
    }
    std::copy_n(images.sample(first), some * shape.elements(), rest_images_.data());
    run(rest_images_.data(), rest_logits_.data());
    std::copy_n(rest_logits_.data(), some * outputs(), logits.sample(first));
  }
}

}  // namespace bitsmith::trainer
