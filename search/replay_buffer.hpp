#pragma once

#include <span>
#include <vector>

#include "quant/base/random.hpp"
#include "search/observation.hpp"

namespace bitsmith::search {

/// One step of one episode. `terminal`: nothing follows, and `next` is not read.
struct Transition {
  Observation observation{};
  float action = 0;
  float reward = 0;
  Observation next{};
  bool terminal = false;
};

/// The latest transitions, oldest overwritten first.
class ReplayBuffer {
 public:
  explicit ReplayBuffer(std::size_t capacity);

  void push(const Transition& transition);
  std::size_t size() const { return transitions_.size(); }
  const Transition& operator[](std::size_t index) const { return transitions_[index]; }

  /// Fills `indices` with uniform draws, with replacement. The buffer must not be empty.
  void sample(base::Rng& rng, std::span<std::size_t> indices) const;

 private:
  std::size_t capacity_, oldest_ = 0;
  std::vector<Transition> transitions_;
};

}  // namespace bitsmith::search
