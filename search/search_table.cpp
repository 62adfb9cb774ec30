#include "search/search_table.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "search/agent_search.hpp"
#include "search/random_search.hpp"
#include "search/uniform.hpp"

namespace bitsmith::search {
namespace {

std::unique_ptr<PolicySearch> make_agent_search(const Budget& budget, const SearchOptions& options,
                                                std::uint64_t seed) {
  base::Rng rng(base::derive_seed(seed, "agent"));
  auto agent = make_agent(options, static_cast<int>(budget.space().steps().size()), rng);
  return std::make_unique<AgentSearch>(budget.network(), budget.space(), std::move(agent), seed);
}

std::unique_ptr<PolicySearch> make_random_search(const Budget& budget, const SearchOptions&,
                                                 std::uint64_t seed) {
  return std::make_unique<RandomSearch>(budget.space(), seed);
}

std::unique_ptr<PolicySearch> make_uniform_search(const Budget& budget, const SearchOptions&, std::uint64_t) {
  std::vector<quant::Policy> policies;
  for (NamedPolicy& named : uniform_within(budget)) policies.push_back(std::move(named.policy));
  return std::make_unique<ListSearch>("uniform", std::move(policies));
}

constexpr SearchRow kSearches[] = {
    {"agent", "an agent proposes, learns from the reward, proposes better", make_agent_search},
    {"random", "uniformly random choices, fitted to the budget", make_random_search},
    {"uniform", "every undominated pair of bits for all layers that fits the budget", make_uniform_search},
};

}  // namespace

std::span<const SearchRow> search_table() { return kSearches; }

std::unique_ptr<PolicySearch> make_search(std::string_view name, const Budget& budget,
                                          const SearchOptions& options, std::uint64_t seed) {
  std::vector<std::string> names;
  for (const SearchRow& row : kSearches) {
    if (row.name == name) return row.make(budget, options, seed);
    names.emplace_back(row.name);
  }
  throw base::UserError(fmt::format("unknown search '{}'{}; there are: {}", name,
                                    base::did_you_mean(name, names), base::join_names(names)));
}

}  // namespace bitsmith::search
