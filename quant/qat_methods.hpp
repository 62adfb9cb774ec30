#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/options.hpp"

namespace bitsmith::quant {

/// A way to train weights under quantization. What each computes: trainer/qat/README.md.
struct WeightMethodRow {
  std::string_view name;
  WeightMethod method;
  bool (*serves)(Format);    ///< of quantized weights
  std::string_view formats;  ///< those it serves, for people
  std::string_view what, source;
};
/// In the order of WeightMethod.
std::span<const WeightMethodRow> weight_methods();
const WeightMethodRow& weight_method_row(WeightMethod method);
std::vector<std::string> weight_method_names();

/// A way to quantize a layer's input in training.
struct ActivationMethodRow {
  std::string_view name;
  ActivationMethod method;
  bool (*serves)(int bits, bool is_signed);
  std::string_view bits;  ///< for people
  bool learns;            ///< has numbers that the optimiser trains
  bool integers;          ///< gives integers that kernels multiply
  std::string_view what, source;
};
/// In the order of ActivationMethod.
std::span<const ActivationMethodRow> activation_methods();
const ActivationMethodRow& activation_method_row(ActivationMethod method);
std::vector<std::string> activation_method_names();

/// What is wrong with weights of a format trained by a method, in one sentence without the layer; nothing if
/// it serves. fp32 goes with all.
std::optional<std::string> weight_objection(WeightMethod method, Format format);
std::optional<std::string> activation_objection(ActivationMethod method, Format format, bool is_signed);

/// The same options for what does not train: straight_through everywhere, no schedules.
QuantizationOptions without_training(QuantizationOptions options);

}  // namespace bitsmith::quant
