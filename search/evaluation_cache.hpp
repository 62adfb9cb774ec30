#pragma once

#include <optional>
#include <unordered_map>

#include "quant/policy.hpp"
#include "search/evaluator.hpp"

namespace bitsmith::search {

/// What is known of policies after budget enforcement, by their full bits. One evaluator's answers only. Not
/// thread-safe: the search loop asks and tells it between the parallel parts.
class EvaluationCache {
 public:
  std::optional<Evaluation> find(const quant::Policy& policy) const {
    const auto found = known_.find(policy);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }
  void insert(const quant::Policy& policy, const Evaluation& evaluation) {
    known_.emplace(policy, evaluation);
  }
  std::size_t size() const { return known_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const quant::Policy& policy) const { return policy.hash(); }
  };
  std::unordered_map<quant::Policy, Evaluation, Hash> known_;
};

}  // namespace bitsmith::search
