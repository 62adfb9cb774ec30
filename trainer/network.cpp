#include "trainer/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/executor.hpp"
#include "trainer/layers/weight_quantizer.hpp"
#include "trainer/qat/learned_numbers.hpp"

namespace bitsmith::trainer {

struct Network::Core {
  Core(quant::NetworkInfo network_info, std::vector<Parameter> initial, int shard_count)
      : info(std::move(network_info)),
        parameters(std::move(initial)),
        buffers(make_buffers(info)),
        quantization(info.layers.size()),
        learned(info, parameters, buffers, quantization),
        executor(info, parameters, buffers, quantization, arithmetic),
        shards(shard_count) {}

  quant::NetworkInfo info;
  std::vector<Parameter> parameters;
  std::vector<Buffer> buffers;
  std::vector<LayerQuantization> quantization;
  LearnedNumbers learned;  ///< before the executor: it makes room, so that pointers into the vectors hold
  Arithmetic arithmetic;
  Executor executor;
  int shards;
};

namespace {

void check_shards(int shards) {
  if (shards < 1) throw base::UserError(fmt::format("shards: got {}, allowed are 1 and more", shards));
}

template <typename Items>
auto find_named(Items& items, std::string_view name) -> decltype(&items[0]) {
  for (auto& item : items)
    if (item.name == name) return &item;
  return nullptr;
}

void check_quantization(const quant::LayerInfo& layer, const LayerQuantization& q) {
  const auto refuse = [&](const std::string& what) {
    throw base::UserError(fmt::format("{}: {}", layer.name, what));
  };
  if (!quant::weight_format(quant::short_name(q.weight_format)))
    refuse(fmt::format("weights in {}; allowed are fp32, {}", quant::short_name(q.weight_format),
                       quant::allowed_weight_formats()));
  const int fewest = q.activation_signed ? 2 : 1;
  if (q.quantizes_activations() && (q.activation_bits < fewest || q.activation_bits > 8))
    refuse(fmt::format("{} activations of {} bits; allowed are {} to 8 and fp32",
                       q.activation_signed ? "signed" : "unsigned", q.activation_bits, fewest));
  if (q.quantizes_activations() && !(std::isnormal(q.activation_scale) && q.activation_scale > 0.0f))
    refuse(fmt::format("activation scale {}; it must be positive and finite", q.activation_scale));
  const auto scales = static_cast<std::size_t>(
      q.weight_granularity == quant::Granularity::channel ? layer.output.channels : 1);
  if (!q.weight_clip.empty() && q.weight_clip.size() != scales)
    refuse(fmt::format("{} weight clip ratios for {} scales", q.weight_clip.size(), scales));
  for (float clip : q.weight_clip)
    if (!(clip > 0.0f && clip <= 1.0f))
      refuse(fmt::format("weight clip ratio {}; allowed is 0 < ratio <= 1", clip));
  if (!q.weight_scales.empty() && q.weight_scales.size() != scales)
    refuse(fmt::format("{} fixed weight scales for {} scales", q.weight_scales.size(), scales));
  if (!q.weight_scales.empty() && !q.weight_clip.empty())
    refuse("fixed weight scales and clip ratios exclude each other");
  for (float scale : q.weight_scales)
    if (!(std::isnormal(scale) && scale > 0.0f))
      refuse(fmt::format("weight scale {}; it must be positive and finite", scale));
  if (const auto problem = quant::weight_objection(q.weight_method, q.weight_format)) refuse(*problem);
  if (const auto problem =
          quant::activation_objection(q.activation_method, q.activation_bits, q.activation_signed))
    refuse(*problem);
  const bool straight = q.weight_method == quant::WeightMethod::straight_through;
  if (!straight && !(q.weight_scales.empty() && q.weight_clip.empty()))
    refuse("scales and clip ratios of weights are found by weight_method straight_through alone");
  if (q.folds_batch_norm && !straight)
    refuse("batch norms are folded with weight_method straight_through alone");
  const bool scaled = q.activation_method == quant::ActivationMethod::straight_through;
  if (q.activation_dynamic && !scaled && q.activation_method != quant::ActivationMethod::bitnet)
    refuse(
        "activations whose scale each image brings with it have nothing to learn: choose activation_method "
        "straight_through or bitnet");
  if (q.observes_input && (!scaled || q.activation_dynamic))
    refuse("ranges are observed with activation_method straight_through and fixed scales alone");
}

void check_input(const quant::NetworkInfo& info, int layer, const LayerQuantization& q) {
  const bool own = quant::activation_method_row(q.activation_method).learns || q.observes_input;
  if (own && q.quantizes_activations() && has_given_input_scale(info, layer, q.activation_bits))
    throw base::UserError(fmt::format(
        "{}: the scale of its input cannot be trained, as it reads images, or integers of a join; use "
        "activation_method straight_through",
        info.layers[static_cast<std::size_t>(layer)].name));
}

}  // namespace

Network::Network(quant::NetworkInfo info, std::uint64_t seed, int shards) {
  check_shards(shards);
  auto parameters = make_parameters(info, seed);
  core_ = std::make_unique<Core>(std::move(info), std::move(parameters), shards);
}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

Network Network::clone() const {
  Network copy(core_->info, 0, core_->shards);
  copy.copy_state_from(*this);
  return copy;
}

void Network::copy_state_from(const Network& other) {
  const auto own = [](const Network& network) {
    return std::pair{std::span(network.parameters()).first(network.core_->learned.own_parameters()),
                     std::span(network.buffers()).first(network.core_->learned.own_buffers())};
  };
  const auto same_name_and_size = [](const auto& a, const auto& b) {
    return a.name == b.name && a.value.size() == b.value.size();
  };
  const auto [own_parameters, own_buffers] = own(*this);
  const auto [other_parameters, other_buffers] = own(other);
  base::require(std::ranges::equal(own_parameters, other_parameters, same_name_and_size) &&
                    std::ranges::equal(own_buffers, other_buffers, same_name_and_size),
                "Network::copy_state_from: the networks differ");
  for (std::size_t i = 0; i < own_parameters.size(); ++i) parameters()[i].value = other_parameters[i].value;
  for (std::size_t i = 0; i < own_buffers.size(); ++i) buffers()[i].value = other_buffers[i].value;
  core_->quantization = other.core_->quantization;
  core_->learned.copy(other.parameters(), other.buffers());
  core_->arithmetic = other.core_->arithmetic;
  core_->executor.forget_reservations();
}

const quant::NetworkInfo& Network::info() const { return core_->info; }
int Network::shards() const { return core_->shards; }
void Network::set_shards(int shards) {
  check_shards(shards);
  core_->shards = shards;
}

void Network::set_arithmetic(Arithmetic arithmetic) {
  if (arithmetic == core_->arithmetic) return;
  core_->arithmetic = arithmetic;
  core_->executor.forget_reservations();
}
Arithmetic Network::arithmetic() const { return core_->arithmetic; }

std::vector<Parameter>& Network::parameters() { return core_->parameters; }
const std::vector<Parameter>& Network::parameters() const { return core_->parameters; }
std::vector<Buffer>& Network::buffers() { return core_->buffers; }
const std::vector<Buffer>& Network::buffers() const { return core_->buffers; }
Parameter* Network::find_parameter(std::string_view name) { return find_named(core_->parameters, name); }
const Parameter* Network::find_parameter(std::string_view name) const {
  return find_named(core_->parameters, name);
}
Buffer* Network::find_buffer(std::string_view name) { return find_named(core_->buffers, name); }
const Buffer* Network::find_buffer(std::string_view name) const { return find_named(core_->buffers, name); }

void Network::set_quantization(int layer, LayerQuantization quantization) {
  base::require(layer >= 0 && layer < static_cast<int>(core_->info.layers.size()),
                "Network::set_quantization: no such layer");
  const auto index = static_cast<std::size_t>(layer);
  check_quantization(core_->info.layers[index], quantization);
  check_input(core_->info, layer, quantization);
  core_->quantization[index] = std::move(quantization);
  core_->learned.renew(layer);
  core_->executor.forget_reservations();
}

void Network::freeze_batch_norms(bool frozen) { core_->executor.freeze_statistics(frozen); }

void Network::observe_inputs(bool observing) {
  for (LayerQuantization& q : core_->quantization) q.observing = observing && q.observes_input;
}

std::size_t Network::own_parameters() const { return core_->learned.own_parameters(); }
std::size_t Network::own_buffers() const { return core_->learned.own_buffers(); }

const LayerQuantization& Network::quantization(int layer) const {
  return core_->quantization.at(static_cast<std::size_t>(layer));
}

QuantizedWeights Network::quantized_weights(int layer) const {
  const std::string& name = core_->info.layers[static_cast<std::size_t>(layer)].name;
  return quantize_weights(*find_parameter(name + ".weight"), quantization(layer));
}

const Tensor& Network::forward(const Tensor& images, Mode mode) {
  if (mode == Mode::train) core_->learned.project();
  return core_->executor.forward(images, mode, core_->shards);
}
const Tensor& Network::forward_observed(const Tensor& images, const InputObserver& observer) {
  return core_->executor.forward_observed(images, core_->shards, observer);
}
void Network::backward(const Tensor& logits_gradient) {
  core_->executor.backward(logits_gradient);
  core_->learned.reduce_gradients();
}
void Network::project_learned_numbers() { core_->learned.project(); }
void Network::reset_running_statistics() { core_->executor.reset_running_statistics(); }

}  // namespace bitsmith::trainer
