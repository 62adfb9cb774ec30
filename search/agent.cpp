#include "search/agent.hpp"

#include "quant/base/error.hpp"
#include "search/ddpg.hpp"

namespace bitsmith::search {
namespace {

template <typename Made>
std::unique_ptr<Agent> make(const SearchOptions& options, int steps, base::Rng& rng) {
  return std::make_unique<Made>(options, steps, rng);
}

constexpr AgentRow kAgents[] = {
    {AgentKind::ddpg, "ddpg", "deep deterministic policy gradient, as in HAQ", make<Ddpg>},
};

}  // namespace

std::span<const AgentRow> agent_table() { return kAgents; }

std::unique_ptr<Agent> make_agent(const SearchOptions& options, int steps, base::Rng& rng) {
  for (const AgentRow& row : kAgents) {
    if (row.kind == options.agent) return row.make(options, steps, rng);
  }
  throw base::InternalError("an agent without a row in the table");
}

}  // namespace bitsmith::search
