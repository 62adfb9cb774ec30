#include "trainer/training/network_numbers.hpp"

#include <algorithm>
#include <utility>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

template <class Entry>
void copy_values(const std::vector<Entry>& from, std::vector<std::vector<float>>& to) {
  to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i].value;
}

template <class Values, class Entry, class Move>
void move_values(Values& values, std::vector<Entry>& entries, Move&& move) {
  base::require(values.size() == entries.size(), "numbers of another network");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    base::require(values[i].size() == entries[i].value.size(), "numbers of another network");
    move(values[i], entries[i].value);
  }
}

template <class Entry>
bool same_sizes(const std::vector<std::vector<float>>& values, const std::vector<Entry>& entries) {
  return std::ranges::equal(values, entries, [](const std::vector<float>& value, const Entry& entry) {
    return value.size() == entry.value.size();
  });
}

}  // namespace

bool fits(const NetworkNumbers& numbers, const Network& network) {
  return same_sizes(numbers.parameters, network.parameters()) &&
         same_sizes(numbers.buffers, network.buffers());
}

void copy_numbers(const Network& network, NetworkNumbers& numbers) {
  copy_values(network.parameters(), numbers.parameters);
  copy_values(network.buffers(), numbers.buffers);
}

void put_numbers(const NetworkNumbers& numbers, Network& network) {
  const auto put = [](const std::vector<float>& from, std::vector<float>& to) { to = from; };
  move_values(numbers.parameters, network.parameters(), put);
  move_values(numbers.buffers, network.buffers(), put);
}

void swap_numbers(NetworkNumbers& numbers, Network& network) {
  const auto exchange = [](std::vector<float>& a, std::vector<float>& b) { std::swap(a, b); };
  move_values(numbers.parameters, network.parameters(), exchange);
  move_values(numbers.buffers, network.buffers(), exchange);
}

}  // namespace bitsmith::trainer
