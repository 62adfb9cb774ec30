#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "search/budget.hpp"
#include "search/options.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::search {

/// Every way to choose policies that a run compares. What `budget` refers to must outlive the search that is
/// made; searches may read its action space and ask which uniform policies fit, and nothing else.
struct SearchRow {
  std::string_view name;  ///< "agent", "random", "uniform"
  std::string_view summary;
  std::unique_ptr<PolicySearch> (*make)(const Budget& budget, const SearchOptions& options,
                                        std::uint64_t seed);
};
std::span<const SearchRow> search_table();

/// By name; throws UserError for an unknown one (nearest and all names).
std::unique_ptr<PolicySearch> make_search(std::string_view name, const Budget& budget,
                                          const SearchOptions& options, std::uint64_t seed);

}  // namespace bitsmith::search
