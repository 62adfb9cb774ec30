#include "search/uniform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace bitsmith::search {
namespace {

std::vector<quant::Format> all_choices(const ActionSpace& space, Part part) {
  std::set<quant::Format> all;
  for (int layer = 0; layer < space.layers(); ++layer) {
    const auto choices = space.choices(layer, part);
    if (!space.is_pinned(layer)) all.insert(choices.begin(), choices.end());
  }
  if (all.empty()) all.insert(space.choices(0, part).front());  // every layer is pinned
  return {all.begin(), all.end()};
}

}  // namespace

std::vector<NamedPolicy> uniform_references(const quant::NetworkInfo& network, const ActionSpace& space) {
  constexpr int kReferences[] = {8, 6, 4};
  std::vector<NamedPolicy> references;
  for (int bits : kReferences) {
    references.push_back(
        {fmt::format("uniform {}", bits), space.pin_layers(quant::uniform_policy(network, {bits, bits}))});
  }
  return references;
}

std::vector<NamedPolicy> uniform_within(const Budget& budget) {
  const ActionSpace& space = budget.space();
  const std::vector<quant::Format> weights = all_choices(space, Part::weight);
  std::vector<quant::Format> activations = all_choices(space, Part::activation);
  // Where a price is costly, upwards from the last find to the first that does not fit: at most one price per
  // choice of either kind. Else downwards, which finds the highest one even where prices do not rise with
  // bits.
  const bool upwards = !budget.is_cheap();
  if (!upwards) std::ranges::reverse(activations);
  std::vector<NamedPolicy> found;
  std::optional<quant::Format> most_activation;  // of those found so far, all of which have more weight bits
  for (auto weight = weights.rbegin(); weight != weights.rend(); ++weight) {
    std::optional<quant::Format> best;
    for (quant::Format activation : activations) {
      if (most_activation && activation <= *most_activation) continue;
      const bool fits = budget.within(budget.price(space.nearest_uniform({*weight, activation})));
      if (fits) best = activation;
      if (fits != upwards) break;
    }
    if (!best) continue;
    most_activation = best;
    found.push_back({fmt::format("uniform w{}a{}", quant::short_name(*weight), quant::short_name(*best)),
                     space.nearest_uniform({*weight, *best})});
  }
  return found;
}

std::vector<quant::Policy> ListSearch::propose(int first_episode, int count) {
  const auto size = static_cast<int>(policies_.size());
  const int begin = std::min(first_episode, size), end = std::min(first_episode + count, size);
  return {policies_.begin() + begin, policies_.begin() + end};
}

}  // namespace bitsmith::search
