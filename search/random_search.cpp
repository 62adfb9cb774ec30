#include "search/random_search.hpp"

#include "quant/base/random.hpp"

namespace bitsmith::search {

std::vector<quant::Policy> RandomSearch::propose(int first_episode, int count) {
  std::vector<quant::Policy> policies;
  for (int i = 0; i < count; ++i) {
    base::Rng rng(base::derive_seed(seed_, "random search", static_cast<std::uint64_t>(first_episode + i)));
    quant::Policy policy = space_.lowest();
    for (const Step step : space_.steps()) {
      const auto choices = space_.choices(step.layer, step.part);
      space_.set(policy, step, choices[static_cast<std::size_t>(rng.below(choices.size()))]);
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

}  // namespace bitsmith::search
