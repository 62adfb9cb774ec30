#include "quant/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "quant/base/hash.hpp"

namespace bitsmith::base {
namespace {

// SplitMix64 spreads a seed over the generator's 256 bits (its authors' advice).
std::uint64_t split_mix(std::uint64_t& x) {
  std::uint64_t z = (x += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t rotate_left(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

}  // namespace

std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::uint64_t index) {
  Hasher hasher;
  hasher.add(run_seed);
  hasher.add(purpose);
  hasher.add(index);
  return hasher.value();
}

Rng::Rng(std::uint64_t seed) {
  for (auto& word : state_) word = split_mix(seed);
}

std::uint64_t Rng::next() {
  const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::uint64_t Rng::below(std::uint64_t bound) {
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound + 1) % bound;
  std::uint64_t draw = next();
  while (draw > limit) draw = next();
  return draw % bound;
}

double Rng::normal() {
  // Box-Muller; the second value is dropped so that the state is the four words alone.
  const double u = 1.0 - uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
}

double Rng::truncated_normal(double mean, double sigma, double low, double high) {
  const double p_low = normal_cdf((low - mean) / sigma);
  const double p_high = normal_cdf((high - mean) / sigma);
  const double target = p_low + (p_high - p_low) * uniform();
  // The inverse by bisection: 60 halvings reach double precision, and it is exact at both ends.
  double a = low, b = high;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (a + b);
    (normal_cdf((middle - mean) / sigma) < target ? a : b) = middle;
  }
  return std::clamp(0.5 * (a + b), low, high);
}

std::vector<int> Rng::permutation(int n) {
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int i = n - 1; i > 0; --i) std::swap(order[i], order[below(static_cast<std::uint64_t>(i) + 1)]);
  return order;
}

void Rng::restore(std::span<const std::uint64_t, 4> state) { std::copy(state.begin(), state.end(), state_); }

}  // namespace bitsmith::base
