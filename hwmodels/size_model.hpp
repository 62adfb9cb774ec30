#pragma once

#include <string>

#include "hwmodels/cost_model.hpp"
#include "quant/formats/format.hpp"
#include "quant/options.hpp"

namespace bitsmith::hwmodels {

/// Bytes that one layer's parameters take in a file or in memory that holds them at their own width, from
/// first principles:
///   weights       integers: each output channel is a row of weights() / channels numbers, packed without
///                 gaps and rounded up to whole bytes (rows are what kernels address); 4 bytes a weight at
///                 fp32; other formats: what quant::pack gives, with all scales and codebooks
///   multipliers   4 bytes per output channel where integer weights have one scale per channel, or where
///   batch norm follows
///                 (its factor, the weight scale and the activation scales are one fp32 multiplier); 4 bytes
///                 in all where there is one weight scale per tensor and no batch norm; none for plain fp32
///   bias          4 bytes per output channel (fp32 or int32) where the layer has one or batch norm, whose
///   shift it
///                 then holds, follows
double layer_bytes(const quant::LayerInfo& layer, quant::Format weights, quant::Granularity granularity,
                   bool has_batch_norm);

/// Metric `size_kib`: KiB (1024 bytes) of all parameters; layer_bytes() of every layer, and 8 bytes per
/// channel for a batch norm that follows no layer. Activation bits do not change it.
class SizeModel : public CostModel {
 public:
  explicit SizeModel(quant::Granularity granularity) : granularity_(granularity) {}

  std::string name() const override { return "size"; }
  std::span<const Metric> metrics() const override;
  Cost price(const quant::NetworkInfo& network, const quant::Policy& policy) const override;
  bool is_sum_over_layers() const override { return true; }
  std::string fingerprint() const override;

 private:
  quant::Granularity granularity_;
};

}  // namespace bitsmith::hwmodels
