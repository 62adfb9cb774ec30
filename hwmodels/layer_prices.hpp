#pragma once

#include <string>
#include <vector>

#include "hwmodels/latency_table.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::hwmodels {

/// What one layer costs between two storages, for every pair of bits: the fastest measured kernel of those
/// that serve the pair. Since a kernel that serves bits serves fewer bits too, fewer bits never cost more.
class LayerPrices {
 public:
  struct Price {
    double us = -1;  ///< negative: cannot be priced
    const quant::KernelRow* row =
        nullptr;  ///< the fastest; null: none serves these bits, or one was not measured
  };

  /// `step_key` is Step::shape_key. Kernels that the table does not hold are remembered as missing.
  LayerPrices(const LatencyTable& table, const quant::LayerInfo& layer, const std::string& step_key,
              quant::Storage from, quant::Storage to, int batch, CacheState state);

  const Price& at(quant::LayerBits bits) const { return prices_[index(bits)]; }
  /// The entries without which these bits have no price; empty when they have one or when no kernel serves
  /// them.
  std::vector<EntryKey> missing(quant::LayerBits bits) const;
  /// The entries that the prices stand on.
  const std::vector<EntryKey>& used() const { return used_; }

 private:
  static std::size_t index(quant::LayerBits bits);

  std::vector<Price> prices_;
  std::vector<EntryKey> used_;
  struct Missing {
    quant::LayerBits bits;
    EntryKey key;
  };
  std::vector<Missing> missing_;
};

}  // namespace bitsmith::hwmodels
