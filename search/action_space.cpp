#include "search/action_space.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "quant/base/error.hpp"

namespace bitsmith::search {

using quant::Format;

namespace {

constexpr int kLowestWeightBits = 2, kLowestSignedBits = 2, kHighestBits = 8;

std::string names(const std::vector<Format>& list) {
  std::string text;
  for (Format format : list) text += (text.empty() ? "" : ", ") + quant::short_name(format);
  return text;
}

/// The list, ascending.
std::vector<Format> checked(const char* key, std::vector<Format> list,
                            std::optional<Format> (*known)(std::string_view), const std::string& allowed) {
  const auto refuse = [&](const std::string& why) {
    throw base::UserError(fmt::format("{}: got [{}], {}; allowed are: {}", key, names(list), why, allowed));
  };
  if (list.empty()) refuse("which is empty");
  for (Format format : list)
    if (!known(quant::short_name(format)))
      refuse(fmt::format("of which {} is none", quant::short_name(format)));
  std::ranges::sort(list);
  const auto twice = std::ranges::adjacent_find(list);
  if (twice != list.end()) refuse(fmt::format("with {} twice", quant::short_name(*twice)));
  return list;
}

void check_pinned(const char* key, int bits) {
  if (bits == 0 || bits == quant::kFloatBits || (bits >= kLowestWeightBits && bits <= kHighestBits)) return;
  throw base::UserError(fmt::format("{}: got {}, allowed are {} to {}, {} for fp32, and 0 for searched", key,
                                    bits, kLowestWeightBits, kHighestBits, quant::kFloatBits));
}

double bin_centre(std::span<const Format> list, Format format) {
  const auto distance = [&](Format other) {
    return std::abs(other.effective_bits() - format.effective_bits());
  };
  const auto itself = std::ranges::find(list, format);
  auto nearest = static_cast<std::size_t>(itself - list.begin());
  if (itself == list.end()) {
    nearest = 0;
    for (std::size_t i = 1; i < list.size(); ++i)
      if (distance(list[i]) < distance(list[nearest])) nearest = i;
  }
  return (static_cast<double>(nearest) + 0.5) / static_cast<double>(list.size());
}

}  // namespace

std::optional<Format> searched_weight_format(std::string_view text) {
  const auto format = quant::weight_format(text);
  return format && format->is_float() ? std::nullopt : format;
}

std::optional<Format> searched_activation_format(std::string_view text) {
  return quant::activation_format(text == "32" ? "fp32" : text);
}

ActionSpace::ActionSpace(const quant::NetworkInfo& network, const SearchOptions& search,
                         const quant::QuantizationOptions& quantization)
    : searched_{checked("search.weight_bits", search.weight_bits, searched_weight_format,
                        quant::allowed_weight_formats()),
                checked("search.activation_bits", search.activation_bits, searched_activation_format,
                        quant::allowed_activation_formats())} {
  if (network.layers.empty()) {
    throw base::UserError(fmt::format(
        "network '{}' has no convolution and no linear layer: nothing to quantize", network.name));
  }
  check_pinned("quantization.first_layer_bits", quantization.first_layer_bits);
  check_pinned("quantization.last_layer_bits", quantization.last_layer_bits);
  const int first = quantization.first_layer_bits, last = quantization.last_layer_bits;
  if (network.layers.size() == 1 && first != 0 && last != 0 && first != last) {
    throw base::UserError(
        fmt::format("'{}' is both the first and the last layer, but first_layer_bits is {} and "
                    "last_layer_bits {}",
                    network.layers[0].name, first, last));
  }
  choices_.assign(network.layers.size(), searched_);
  pinned_.assign(choices_.size(), false);
  if (first != 0) {
    choices_.front() = {{first}, {first}};
    pinned_.front() = true;
  }
  if (last != 0) {
    choices_.back() = {{last}, {last}};
    pinned_.back() = true;
  }
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (pinned_[i] || !network.layers[i].input_signed) continue;
    std::erase_if(choices_[i].activation, [](Format format) { return format < kLowestSignedBits; });
    if (choices_[i].activation.empty()) {
      throw base::UserError(
          fmt::format("layer '{}': its input can be negative and needs at least {} bits, but "
                      "search.activation_bits is [{}]",
                      network.layers[i].name, kLowestSignedBits, names(search.activation_bits)));
    }
  }
  tie_layers(network, quant::layers_of_one_weight(network), Part::weight);
  if (search.tied_activations == TiedActivations::tensor)
    tie_layers(network, quant::readers_of_one_tensor(network), Part::activation);
  if (search.tied_activations == TiedActivations::residual)
    tie_layers(network, quant::readers_of_one_residual_stream(network), Part::activation);
  for (int layer = 0; layer < layers(); ++layer) {
    for (Part part : {Part::weight, Part::activation}) {
      const Step step{layer, part};
      const std::vector<Step>* tied = tied_with(step);
      if (choices(layer, part).size() > 1 && (tied == nullptr || tied->front() == step))
        steps_.push_back(step);
    }
  }
}

void ActionSpace::tie_layers(const quant::NetworkInfo& network, const std::vector<quant::TiedLayers>& groups,
                             Part part) {
  for (const quant::TiedLayers& layers : groups) {
    std::vector<Step> steps;
    const std::vector<Format>* pinned = nullptr;
    std::vector<Format> common = part == Part::weight ? searched_.weight : searched_.activation;
    for (int layer : layers) {
      const Step step = steps.emplace_back(Step{layer, part});
      if (!is_pinned(layer)) {
        std::erase_if(common, [&](Format format) { return !std::ranges::binary_search(list(step), format); });
        continue;
      }
      if (pinned != nullptr && *pinned != list(step))
        throw base::UserError(fmt::format(
            "quantization.first_layer_bits and last_layer_bits differ, but '{}' and '{}' have one {}",
            network.layers[static_cast<std::size_t>(layers.front())].name,
            network.layers[static_cast<std::size_t>(layer)].name,
            part == Part::weight ? "weight" : "format for what they read (search.tied_activations)"));
      pinned = &list(step);
    }
    if (pinned != nullptr) common = *pinned;
    for (const Step step : steps) list(step) = common;
    tied_.push_back(std::move(steps));
  }
}

const std::vector<Step>* ActionSpace::tied_with(Step step) const {
  const auto group = std::ranges::find_if(
      tied_, [&](const std::vector<Step>& steps) { return std::ranges::find(steps, step) != steps.end(); });
  return group == tied_.end() ? nullptr : &*group;
}

void ActionSpace::set(quant::Policy& policy, Step step, Format format) const {
  bits_of(policy, step) = format;
  if (const std::vector<Step>* tied = tied_with(step))
    for (const Step other : *tied) bits_of(policy, other) = format;
}

quant::Policy ActionSpace::tie(quant::Policy policy) const {
  for (const std::vector<Step>& tied : tied_) {
    Format lowest = bits_of(policy, tied.front());
    for (const Step step : tied) lowest = std::min(lowest, bits_of(policy, step));
    set(policy, tied.front(), lowest);
  }
  return policy;
}

std::span<const Format> ActionSpace::choices(int layer, Part part) const {
  const LayerChoices& of_layer = choices_.at(static_cast<std::size_t>(layer));
  return part == Part::weight ? of_layer.weight : of_layer.activation;
}

Format ActionSpace::to_bits(int layer, Part part, double action) const {
  base::require(!std::isnan(action), "an agent's action is NaN");
  const std::span<const Format> list = choices(layer, part);
  const auto bins = static_cast<double>(list.size());
  const double bin = std::clamp(std::floor(action * bins), 0.0, bins - 1.0);
  return list[static_cast<std::size_t>(bin)];
}

double ActionSpace::to_action(int layer, Part part, Format format) const {
  const std::span<const Format> list = choices(layer, part);
  if (list.size() > 1) return bin_centre(list, format);
  return bin_centre(part == Part::weight ? searched_.weight : searched_.activation, format);
}

quant::Policy ActionSpace::lowest() const {
  quant::Policy policy;
  for (const LayerChoices& layer : choices_)
    policy.layers.push_back({layer.weight.front(), layer.activation.front()});
  return policy;
}

quant::Policy ActionSpace::pin(quant::Policy policy) const {
  base::require(policy.layers.size() == choices_.size(), "a policy of another network");
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].weight.size() == 1) policy.layers[i].weight = choices_[i].weight[0];
    if (choices_[i].activation.size() == 1) policy.layers[i].activation = choices_[i].activation[0];
  }
  return policy;
}

quant::Policy ActionSpace::pin_layers(quant::Policy policy) const {
  base::require(policy.layers.size() == choices_.size(), "a policy of another network");
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (!pinned_[i]) continue;
    const int layer = static_cast<int>(i);
    set(policy, {layer, Part::weight}, choices_[i].weight[0]);
    set(policy, {layer, Part::activation}, choices_[i].activation[0]);
  }
  return policy;
}

quant::Policy ActionSpace::nearest_uniform(quant::LayerFormats formats) const {
  const auto at_most = [](const std::vector<Format>& list, Format wanted) {
    const auto above = std::upper_bound(list.begin(), list.end(), wanted);
    return above == list.begin() ? list.front() : *(above - 1);
  };
  quant::Policy policy;
  for (const LayerChoices& layer : choices_) {
    policy.layers.push_back(
        {at_most(layer.weight, formats.weight), at_most(layer.activation, formats.activation)});
  }
  return policy;
}

bool ActionSpace::allows(const quant::Policy& policy) const {
  if (policy.layers.size() != choices_.size()) return false;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (!std::ranges::binary_search(choices_[i].weight, policy.layers[i].weight) ||
        !std::ranges::binary_search(choices_[i].activation, policy.layers[i].activation)) {
      return false;
    }
  }
  return !has_ties() || tie(policy) == policy;
}

}  // namespace bitsmith::search
