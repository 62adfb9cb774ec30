#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// The seed of one use of randomness, a function of (run seed, purpose, index) only: what one part of a run
/// draws never shifts what another part draws, whatever the number of threads.
std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::uint64_t index = 0);

/// xoshiro256** (Blackman, Vigna 2018), with distributions of our own: the standard library's are not
/// specified to the bit.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  double uniform();                          ///< in [0, 1)
  double uniform(double low, double high);   ///< in [low, high)
  std::uint64_t below(std::uint64_t bound);  ///< in [0, bound), unbiased; bound >= 1
  double normal();                           ///< mean 0, variance 1
  /// Normal(mean, sigma) conditioned on [low, high], by inverting the distribution function; sigma > 0.
  double truncated_normal(double mean, double sigma, double low, double high);
  std::vector<int> permutation(int n);  ///< of 0..n-1 (Fisher-Yates)

  using State = std::uint64_t[4];
  const State& state() const { return state_; }
  void restore(std::span<const std::uint64_t, 4> state);

 private:
  State state_;
};

}  // namespace bitsmith::base
