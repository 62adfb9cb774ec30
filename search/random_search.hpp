#pragma once

#include <cstdint>

#include "search/action_space.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::search {

/// Every decision drawn uniformly from its choices; the budget does the rest. The yardstick of every other
/// search.
class RandomSearch : public PolicySearch {
 public:
  /// `space` must outlive the search.
  RandomSearch(const ActionSpace& space, std::uint64_t seed) : space_(space), seed_(seed) {}

  std::string_view name() const override { return "random"; }
  std::vector<quant::Policy> propose(int first_episode, int count) override;
  void observe(std::span<const EpisodeRecord>) override {}

 private:
  const ActionSpace& space_;
  std::uint64_t seed_;
};

}  // namespace bitsmith::search
