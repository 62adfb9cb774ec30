#include "search/replay_buffer.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::search {

ReplayBuffer::ReplayBuffer(std::size_t capacity) : capacity_(capacity) {
  base::require(capacity >= 1, "a replay buffer needs room for one transition");
  transitions_.reserve(capacity);
}

void ReplayBuffer::push(const Transition& transition) {
  if (transitions_.size() < capacity_) {
    transitions_.push_back(transition);
    return;
  }
  transitions_[oldest_] = transition;
  oldest_ = (oldest_ + 1) % capacity_;
}

void ReplayBuffer::sample(base::Rng& rng, std::span<std::size_t> indices) const {
  base::require(!transitions_.empty(), "nothing to sample from");
  for (std::size_t& index : indices) index = static_cast<std::size_t>(rng.below(transitions_.size()));
}

}  // namespace bitsmith::search
