#include "quant/qat_methods.hpp"

#include <fmt/format.h>

#include <array>

#include "quant/policy.hpp"

namespace bitsmith::quant {
namespace {

const Format kBinary = *find_format("binary");
const Format kTernary = *find_format("ternary");

bool any(Format) { return true; }
bool integers(Format format) { return format.is_integer() && format.code() >= 2 && format.code() <= 8; }
bool binary(Format format) { return format == kBinary; }
bool ternary(Format format) { return format == kTernary; }
bool ttq(Format format) { return format == kTtq; }
bool bitnet(Format format) { return format == kBitnet; }
bool kmeans(Format format) {
  return !format.is_float() && !format.is_integer() && format.row().kind == FormatKind::kmeans;
}
bool integers_or_binary(Format format) { return integers(format) || binary(format); }

bool any_bits(int, bool) { return true; }
/// The two levels of sign(x), as narrow 2-bit integers; 0 and 1 of what is never negative.
bool two_levels(int bits, bool is_signed) { return bits == (is_signed ? 2 : 1); }

// clang-format off
const std::array kWeights{
    WeightMethodRow{"straight_through", WeightMethod::straight_through, any, "every format",
     "scales follow the weights; the gradient passes where the rounded integer is in range; of other formats all of it passes",
     "Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018, arXiv:1712.05877"},
    WeightMethodRow{"format", WeightMethod::format, any, "every format",
     "the format's own quantizer, without a calibrated clip; all of the gradient passes", "Bengio et al. 2013, arXiv:1308.3432"},
    WeightMethodRow{"dorefa", WeightMethod::dorefa, integers_or_binary, "2 to 8, binary",
     "tanh(w) / max |tanh(w)| on levels of 1 / largest level; the gradient goes through tanh; binary: sign(w) mean |w|",
     "Zhou et al. 2016 (DoReFa-Net), arXiv:1606.06160"},
    WeightMethodRow{"lsq", WeightMethod::lsq, integers, "2 to 8", "learned step sizes", "Esser et al. 2020 (LSQ), arXiv:1902.08153"},
    WeightMethodRow{"lsq_plus", WeightMethod::lsq_plus, integers, "2 to 8",
     "learned step sizes that start at three deviations from the mean", "Bhalgat et al. 2020 (LSQ+), arXiv:2004.09576"},
    WeightMethodRow{"binary_connect", WeightMethod::binary_connect, binary, "binary",
     "sign(w), no scale; weights are kept in -1 to 1", "Courbariaux et al. 2015 (BinaryConnect), arXiv:1511.00363"},
    WeightMethodRow{"bwn", WeightMethod::bwn, binary, "binary", "sign(w) mean |w|, with the gradient of the scale",
     "Rastegari et al. 2016 (XNOR-Net), arXiv:1603.05279"},
    WeightMethodRow{"xnor", WeightMethod::xnor, binary, "binary",
     "bwn, with weights centred over the input channels and kept in -1 to 1, as the authors' code does", "Rastegari et al. 2016 (XNOR-Net), arXiv:1603.05279"},
    WeightMethodRow{"ternary_split", WeightMethod::ternary_split, ternary, "ternary",
     "two binary tensors that start as the halves of a ternary one", "Bai et al. 2021 (BinaryBERT), arXiv:2012.15701"},
    WeightMethodRow{"twn", WeightMethod::twn, ternary, "ternary", "the scale is the mean of what exceeds 0.7 mean |w|",
     "Li et al. 2016 (TWN), arXiv:1605.04711"},
    WeightMethodRow{"ttq", WeightMethod::ttq, ttq, "ttq", "learned values of the positive and the negative level",
     "Zhu et al. 2017 (TTQ), arXiv:1612.01064"},
    WeightMethodRow{"bitnet", WeightMethod::bitnet, bitnet, "bitnet", "round(w / mean |w|) clipped to -1 .. 1",
     "Ma et al. 2024 (BitNet b1.58), arXiv:2402.17764"},
    WeightMethodRow{"kmeans", WeightMethod::kmeans, kmeans, "kmeans1 to kmeans8",
     "clusters stay as the start finds them, their centroids are trained", "Han et al. 2016 (Deep Compression), arXiv:1510.00149"},
};

const std::array kActivations{
    ActivationMethodRow{"straight_through", ActivationMethod::straight_through, any_bits, "1 to 8", false, true,
     "a calibrated scale; the gradient passes where the rounded integer is in range", "Jacob et al. 2018, arXiv:1712.05877"},
    ActivationMethodRow{"dorefa", ActivationMethod::dorefa, any_bits, "1 to 8", false, true,
     "clipped to 0 .. 1, or to -1 .. 1", "Zhou et al. 2016 (DoReFa-Net), arXiv:1606.06160"},
    ActivationMethodRow{"pact", ActivationMethod::pact, any_bits, "1 to 8", true, true,
     "a learned clip, with weight decay", "Choi et al. 2018 (PACT), arXiv:1805.06085"},
    ActivationMethodRow{"lsq", ActivationMethod::lsq, any_bits, "1 to 8", true, true,
     "a learned step size", "Esser et al. 2020 (LSQ), arXiv:1902.08153"},
    ActivationMethodRow{"lsq_plus", ActivationMethod::lsq_plus, any_bits, "1 to 8", true, false,
     "a learned step size and offset; in the simulation alone", "Bhalgat et al. 2020 (LSQ+), arXiv:2004.09576"},
    ActivationMethodRow{"binary", ActivationMethod::binary, two_levels, "1, of signed inputs 2", false, true,
     "sign(x), or 0 and 1 of what is never negative; the gradient passes within the window", "Hubara et al. 2016 (BNN), arXiv:1602.02830"},
    ActivationMethodRow{"bitnet", ActivationMethod::bitnet, any_bits, "1 to 8", false, false,
     "a scale for each image, from its largest magnitude", "Ma et al. 2024 (BitNet b1.58), arXiv:2402.17764"},
};
// clang-format on

template <typename Rows>
std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.emplace_back(row.name);
  return names;
}

}  // namespace

std::span<const WeightMethodRow> weight_methods() { return kWeights; }
const WeightMethodRow& weight_method_row(WeightMethod method) {
  return kWeights.at(static_cast<std::size_t>(method));
}
std::vector<std::string> weight_method_names() { return names_of(kWeights); }

std::span<const ActivationMethodRow> activation_methods() { return kActivations; }
const ActivationMethodRow& activation_method_row(ActivationMethod method) {
  return kActivations.at(static_cast<std::size_t>(method));
}
std::vector<std::string> activation_method_names() { return names_of(kActivations); }

std::optional<std::string> weight_objection(WeightMethod method, Format format) {
  const WeightMethodRow& row = weight_method_row(method);
  if (format.is_float() || row.serves(format)) return std::nullopt;
  return fmt::format("weight_method {} does not serve weights in {}; it serves {}", row.name,
                     short_name(format), row.formats);
}

std::optional<std::string> activation_objection(ActivationMethod method, Format format, bool is_signed) {
  const ActivationMethodRow& row = activation_method_row(method);
  if (format.is_float() || row.serves(format.code(), is_signed)) return std::nullopt;
  return fmt::format("activation_method {} does not serve {} activations of {} bits; it serves {}", row.name,
                     is_signed ? "signed" : "unsigned", format.code(), row.bits);
}

QuantizationOptions without_training(QuantizationOptions options) {
  const QuantizationOptions defaults;
  options.weight_method = defaults.weight_method;
  options.activation_method = defaults.activation_method;
  options.layers.clear();
  options.batch_norm = defaults.batch_norm;
  options.freeze_batch_norm_epochs = defaults.freeze_batch_norm_epochs;
  options.observer_epochs = defaults.observer_epochs;
  options.progressive_bits.clear();
  return options;
}

}  // namespace bitsmith::quant
