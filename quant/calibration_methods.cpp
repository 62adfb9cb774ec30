#include "quant/calibration_methods.hpp"

#include <array>

namespace bitsmith::quant {
namespace {

// clang-format off
constexpr std::array kRows{
    CalibrationRow{"minmax", Calibration::minmax, true, false,
     "smallest and largest value", "PyTorch MinMaxObserver"},
    CalibrationRow{"ema", Calibration::ema, false, false,
     "moving average of each batch's smallest and largest value, rate 0.01", "PyTorch MovingAverageMinMaxObserver"},
    CalibrationRow{"mse", Calibration::mse, true, false,
     "least squared error among the hundredths of the largest magnitude", "grid search, as in BRECQ (Li et al. 2021, arXiv:2102.05426)"},
    CalibrationRow{"kl", Calibration::kl, true, true,
     "least divergence of a histogram from itself at the integers' levels", "TensorRT; NVIDIA Model Optimizer, calib/histogram.py"},
    CalibrationRow{"percentile", Calibration::percentile, true, false,
     "leaves a share of the values unclipped", "NVIDIA Model Optimizer, calib/histogram.py; AIMET"},
    CalibrationRow{"kl_haq", Calibration::kl_haq, true, true,
     "least divergence of distribution functions, below 5 bits; else minmax", "HAQ (Wang et al. 2019, arXiv:1811.08886), lib/utils/quantize_utils.py"},
    CalibrationRow{"octav", Calibration::octav, true, true,
     "Newton's iteration on clipping noise plus rounding noise", "Sakr et al. 2022, arXiv:2206.06501"},
    CalibrationRow{"mse_fine", Calibration::mse_fine, true, false,
     "mse, then eighths of a hundredth around the best: 114 thresholds", "as mse"},
};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].kind != static_cast<Calibration>(i)) return false;
  return true;
}
static_assert(in_order());

}  // namespace

std::span<const CalibrationRow> calibration_methods() { return kRows; }

const CalibrationRow& calibration_row(Calibration kind) { return kRows.at(static_cast<std::size_t>(kind)); }

std::vector<std::string> calibration_names() {
  std::vector<std::string> names;
  for (const CalibrationRow& row : kRows) names.emplace_back(row.name);
  return names;
}

CalibrationMethod weight_method(const QuantizationOptions& options) {
  return {options.weight_calibration, options.percentile, options.histogram_bins};
}

CalibrationMethod activation_method(const QuantizationOptions& options) {
  return {options.activation_calibration, options.percentile, options.histogram_bins};
}

}  // namespace bitsmith::quant
