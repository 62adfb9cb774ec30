#pragma once

#include <vector>

#include "quant/base/random.hpp"
#include "trainer/network.hpp"

namespace bitsmith::trainer::test {

/// Two products with a batch norm and perhaps a ReLU between: `second` reads what can be trained through.
inline quant::NetworkInfo two_layers(bool relu = false) {
  quant::NetworkBuilder net("two", {5, 1, 1});
  int at = net.batch_norm("bn", net.linear("first", net.input(), 12, false));
  if (relu) at = net.relu("relu", at);
  net.linear("second", at, 4, false);
  return std::move(net).build();
}

/// A format that a method serves.
inline quant::Format format_for(quant::WeightMethod method) {
  using enum quant::WeightMethod;
  switch (method) {
    case binary_connect:
    case bwn:
    case xnor:
      return *quant::find_format("binary");
    case ternary_split:
    case twn:
      return *quant::find_format("ternary");
    case ttq:
      return quant::kTtq;
    case bitnet:
      return quant::kBitnet;
    case kmeans:
      return *quant::find_format("kmeans2");
    default:
      return 3;
  }
}

inline std::vector<float> normal_numbers(std::size_t n, double deviation, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(deviation * rng.normal());
  return x;
}

}  // namespace bitsmith::trainer::test
