#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "quant/tied_layers.hpp"
#include "search/options.hpp"

namespace bitsmith::search {

/// The two decisions taken for every layer.
enum class Part { weight, activation };

/// One decision of an episode.
struct Step {
  int layer = 0;
  Part part = Part::weight;
  bool operator==(const Step&) const = default;
};

/// What a choice may be: a format of a policy, by bits or by name; fp32 (also written 32) for activations
/// only, as fp32 weights times integers have no kernel.
std::optional<quant::Format> searched_weight_format(std::string_view text);
std::optional<quant::Format> searched_activation_format(std::string_view text);

/// The formats that may be chosen, layer by layer, in ascending order of effective bits, and HAQ's mapping
/// from a continuous action to one of them.
///
/// Decisions of several layers may be tied (`search.tied_activations`; shared weights always are): one step
/// takes them all, and what is pinned for one is for the others.
///
/// A pinned layer has one choice of each kind. Activations that can be negative need 2 bits, so 1 is struck
/// from their lists. Decisions with one choice are not steps: a forced action teaches an agent nothing, and
/// what it was is in the next step's observation all the same.
class ActionSpace {
 public:
  /// Throws UserError for lists that are empty, name a format twice or hold one that no policy may have, for
  /// pinned bits out of range, and for a layer that is left without a choice.
  ActionSpace(const quant::NetworkInfo& network, const SearchOptions& search,
              const quant::QuantizationOptions& quantization);

  int layers() const { return static_cast<int>(choices_.size()); }
  bool is_pinned(int layer) const { return pinned_.at(static_cast<std::size_t>(layer)); }
  /// Ascending, never empty.
  std::span<const quant::Format> choices(int layer, Part part) const;
  /// Layer by layer, weight before activation: HAQ's order. Of tied decisions, the first.
  std::span<const Step> steps() const { return steps_; }

  /// Equal-width bins over [0, 1] (HAQ, section 3.3, for any ascending list): bin i of n is [i/n, (i+1)/n),
  /// the last one closed. Actions outside [0, 1] count as its ends; a NaN is an InternalError.
  quant::Format to_bits(int layer, Part part, double action) const;
  /// The centre of the bin of `format`. Where the decision is forced, the centre of the bin that the nearest
  /// choice has in the list that is searched elsewhere, so that observations are comparable over layers.
  double to_action(int layer, Part part, quant::Format format) const;

  /// Takes a decision, and what is tied to it.
  void set(quant::Policy& policy, Step step, quant::Format format) const;
  /// `policy` with tied decisions at the lowest that any of them has.
  quant::Policy tie(quant::Policy policy) const;
  bool has_ties() const { return !tied_.empty(); }

  quant::Policy lowest() const;
  /// `policy` with the pinned layers (and whatever else has one choice) at their bits, the rest untouched.
  quant::Policy pin(quant::Policy policy) const;
  /// `policy` with the pinned layers at their bits: for policies that are no part of the search.
  quant::Policy pin_layers(quant::Policy policy) const;
  /// Every decision at the highest choice that is at most `formats`, else at the lowest one.
  quant::Policy nearest_uniform(quant::LayerFormats formats) const;
  bool allows(const quant::Policy& policy) const;

 private:
  struct LayerChoices {
    std::vector<quant::Format> weight, activation;
  };
  std::vector<quant::Format>& list(Step step) {
    LayerChoices& of_layer = choices_[static_cast<std::size_t>(step.layer)];
    return step.part == Part::weight ? of_layer.weight : of_layer.activation;
  }
  void tie_layers(const quant::NetworkInfo& network, const std::vector<quant::TiedLayers>& groups, Part part);
  const std::vector<Step>* tied_with(Step step) const;

  std::vector<LayerChoices> choices_;
  std::vector<std::vector<Step>> tied_;  ///< each ascending, of one part
  LayerChoices searched_;
  std::vector<bool> pinned_;
  std::vector<Step> steps_;
};

/// The format that a decision is about.
inline quant::Format& bits_of(quant::Policy& policy, Step step) {
  quant::LayerFormats& formats = policy.layers[static_cast<std::size_t>(step.layer)];
  return step.part == Part::weight ? formats.weight : formats.activation;
}
inline quant::Format bits_of(const quant::Policy& policy, Step step) {
  const quant::LayerFormats& formats = policy.layers[static_cast<std::size_t>(step.layer)];
  return step.part == Part::weight ? formats.weight : formats.activation;
}

}  // namespace bitsmith::search
