#include "trainer/training/divergence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

constexpr double kDecay = 0.9, kMultiple = 5.0;

bool all_finite(const float* values, std::int64_t count) {
  return std::all_of(values, values + count, [](float x) { return std::isfinite(x); });
}

std::string input_not_finite(Network& network, const Tensor& images) {
  const auto& layers = network.info().layers;
  const auto quantize_nodes = network.info().quantize_nodes();
  std::vector<bool> bad(layers.size() + quantize_nodes.size());
  try {
    network.forward_observed(images, [&](int index, const float* values, std::int64_t count) {
      if (!all_finite(values, count)) bad[static_cast<std::size_t>(index)] = true;
    });
  } catch (const base::UserError&) {
    // It could not go on behind what is not finite: what was seen until then is what is wanted.
  }
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (bad[i]) return fmt::format("the input of layer '{}'", layers[i].name);
  return "";
}

}  // namespace

bool explodes(LossWatch& watch, double loss, std::int64_t classes) {
  ++watch.losses;
  watch.average = kDecay * watch.average + (1.0 - kDecay) * loss;
  const double now = smoothed(watch);
  if (watch.losses == 1) watch.best = now;
  if (now > kMultiple * (watch.best + std::log(static_cast<double>(classes)))) return true;
  watch.best = std::min(watch.best, now);
  return false;
}

double smoothed(const LossWatch& watch) {
  return watch.average / (1.0 - std::pow(kDecay, static_cast<double>(watch.losses)));
}

bool all_finite(const std::vector<float>& values) {
  return all_finite(values.data(), static_cast<std::int64_t>(values.size()));
}

bool all_finite(const std::vector<Parameter>& parameters) {
  return std::ranges::all_of(parameters, [](const Parameter& p) { return all_finite(p.value); });
}

bool all_finite(const std::vector<Buffer>& buffers) {
  return std::ranges::all_of(buffers, [](const Buffer& p) { return all_finite(p.value); });
}

std::string first_not_finite(Network& network, const Tensor& images, bool backward) {
  for (int n = 0; n < images.batch(); ++n)
    if (!all_finite(images.sample(n), images.shape().elements()))
      return fmt::format("image {} of the batch", n);
  for (const Parameter& parameter : network.parameters())
    if (!all_finite(parameter.value)) return fmt::format("'{}'", parameter.name);
  for (const Buffer& buffer : network.buffers())
    if (!all_finite(buffer.value)) return fmt::format("'{}'", buffer.name);
  if (backward) {
    const auto& parameters = network.parameters();
    for (std::size_t i = parameters.size(); i-- > 0;)
      if (!all_finite(parameters[i].gradient)) return fmt::format("the gradient of '{}'", parameters[i].name);
  }
  return input_not_finite(network, images);
}

std::string largest_parameter(const Network& network) {
  const Parameter* largest = nullptr;
  float magnitude = -1.0f;
  for (const Parameter& parameter : network.parameters())
    for (const float value : parameter.value)
      if (std::fabs(value) > magnitude) {
        magnitude = std::fabs(value);
        largest = &parameter;
      }
  return largest == nullptr ? "" : fmt::format("'{}' (up to {:.3g})", largest->name, magnitude);
}

}  // namespace bitsmith::trainer
