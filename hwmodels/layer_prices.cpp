#include "hwmodels/layer_prices.hpp"

#include "hwmodels/candidates.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::hwmodels {
namespace {

using quant::kFloatBits;
using quant::LayerBits;

constexpr int kIntegerBits[] = {1, 2, 3, 4, 5, 6, 7, 8};
constexpr std::size_t kColumns = 9;  // fp32, then 1..8 bits

std::vector<int> all_bits() {
  std::vector<int> bits(std::begin(kIntegerBits), std::end(kIntegerBits));
  bits.push_back(kFloatBits);
  return bits;
}

}  // namespace

std::size_t LayerPrices::index(LayerBits bits) {
  const auto column = [](int value) {
    base::require((value >= 1 && value <= 8) || value == kFloatBits, "layer prices: no such bits");
    return value == kFloatBits ? std::size_t{0} : static_cast<std::size_t>(value);
  };
  return column(bits.weight) * kColumns + column(bits.activation);
}

LayerPrices::LayerPrices(const LatencyTable& table, const quant::LayerInfo& layer,
                         const std::string& step_key, quant::Storage from, quant::Storage to, int batch,
                         CacheState state)
    : prices_(kColumns * kColumns) {
  struct Timed {
    const quant::KernelRow* row;
    EntryKey key;
    const Entry* entry;
  };
  std::vector<Timed> rows;
  for (const quant::KernelRow& row : quant::kernel_rows()) {
    const auto bits = timed_bits(row, layer, from, to);
    if (!bits) continue;
    EntryKey key = entry_key(step_key, std::string(row.name), *bits, batch, state);
    const Entry* entry = table.find(key);
    if (entry == nullptr && is_outclassed(table, layer, row, from, to, key)) continue;
    if (entry != nullptr) used_.push_back(key);
    rows.push_back({&row, std::move(key), entry});
  }
  for (int weight : all_bits()) {
    for (int activation : all_bits()) {
      const LayerBits bits{weight, activation};
      if (quant::input_storage(layer, bits) != from) continue;
      if (activation == 1 && layer.input_signed) continue;
      Price best;
      bool complete = true;
      for (const Timed& timed : rows) {
        if (!timed.row->serves(layer, bits, from, to)) continue;
        if (timed.entry == nullptr) {
          missing_.push_back({bits, timed.key});
          complete = false;
        } else if (best.row == nullptr || timed.entry->price_us() < best.us) {
          best = {timed.entry->price_us(), timed.row};
        }
      }
      if (complete) prices_[index(bits)] = best;
    }
  }
}

std::vector<EntryKey> LayerPrices::missing(LayerBits bits) const {
  std::vector<EntryKey> keys;
  for (const Missing& gap : missing_)
    if (gap.bits == bits) keys.push_back(gap.key);
  return keys;
}

}  // namespace bitsmith::hwmodels
