#pragma once

#include <string>
#include <vector>

#include "search/budget.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::search {

struct NamedPolicy {
  std::string name;
  quant::Policy policy;
};

/// "uniform 8", "uniform 6", "uniform 4": every layer at these bits but the pinned ones, whatever the budget
/// and whatever choices the search has. What a search is compared with.
std::vector<NamedPolicy> uniform_references(const quant::NetworkInfo& network, const ActionSpace& space);

/// The uniform policies "w4a8" that are within the budget and worth a look: pinned layers pinned, and none
/// where another one within the budget has at least as many bits of both kinds. Every layer gets the highest
/// of its choices that is not above. Most weight bits first. Where a price is a program run, prices are taken
/// not to fall as bits rise.
std::vector<NamedPolicy> uniform_within(const Budget& budget);

/// Proposes the given policies in order, then no more.
class ListSearch : public PolicySearch {
 public:
  ListSearch(std::string name, std::vector<quant::Policy> policies)
      : name_(std::move(name)), policies_(std::move(policies)) {}

  std::string_view name() const override { return name_; }
  std::vector<quant::Policy> propose(int first_episode, int count) override;
  void observe(std::span<const EpisodeRecord>) override {}

 private:
  std::string name_;
  std::vector<quant::Policy> policies_;
};

}  // namespace bitsmith::search
