#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/options.hpp"

namespace bitsmith::quant {

/// A method with the numbers that it takes. A Calibration alone is that method with the usual numbers.
struct CalibrationMethod {
  CalibrationMethod(Calibration kind_in = Calibration::minmax, double percentile_in = 99.99,  // NOLINT
                    int bins_in = 2048)
      : kind(kind_in), percentile(percentile_in), bins(bins_in) {}

  Calibration kind;
  double percentile;  ///< 0..100; NVIDIA's default
  int bins;           ///< of a histogram over one tensor's magnitudes
};

/// One rule for where to clip.
struct CalibrationRow {
  std::string_view name;
  Calibration kind;
  bool at_once;         ///< knows what to do with a tensor that is seen once, as weights are
  bool symmetric_only;  ///< looks at magnitudes: sets no range with a zero point
  std::string_view what, source;
};
/// In the order of Calibration.
std::span<const CalibrationRow> calibration_methods();
const CalibrationRow& calibration_row(Calibration kind);

inline std::string_view calibration_name(Calibration kind) { return calibration_row(kind).name; }
std::vector<std::string> calibration_names();

/// How the options calibrate weights and activations.
CalibrationMethod weight_method(const QuantizationOptions& options);
CalibrationMethod activation_method(const QuantizationOptions& options);

}  // namespace bitsmith::quant
