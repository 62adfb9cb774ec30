#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

// Products of few bits by AND, XOR and population counts (gemmbitserial's scheme, Umuroglu & Jahre, CASES
// 2017) with weights in signed digits, which makes w-bit weights w - 1 digits instead of w planes: a layer of
// a-bit activations costs max(w - 1, 1) * a counts. Packing activations into bit planes is part of a run.

/// `own` is the row's pair: all its digits and planes are computed, however few bits a layer has, so that a
/// row has one price.
std::unique_ptr<PreparedKernel> prepare_bit_serial(base::Isa isa, LayerBits own, const LayerInfo& layer,
                                                   Storage from, Storage to, int batch,
                                                   const LayerNumbers& numbers);

template <base::Isa kIsa, int kWeightBits, int kActivationBits>
std::unique_ptr<PreparedKernel> make_bit_serial(const LayerInfo& layer, LayerBits, Storage from, Storage to,
                                                int batch, const LayerNumbers& numbers) {
  return prepare_bit_serial(kIsa, {kWeightBits, kActivationBits}, layer, from, to, batch, numbers);
}

/// Sums that could overflow, and signed activations of 1 bit.
bool bit_serial_refuses(const LayerInfo& layer, LayerBits bits, Storage from);

}  // namespace bitsmith::quant
