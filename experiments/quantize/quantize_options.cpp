#include "experiments/quantize/quantize_options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"
#include "quant/calibration_methods.hpp"

namespace bitsmith::experiments {
namespace {

using quant::EncodingOptions;
using quant::Format;
using quant::FormatKind;

/// Position of a word among those allowed.
std::size_t word(const char* option, const std::string& text, const std::vector<std::string>& allowed) {
  const auto found = std::ranges::find(allowed, text);
  if (found == allowed.end())
    throw base::UserError(fmt::format("quantize: {}: got '{}'{}; allowed: {}", option, text,
                                      base::did_you_mean(text, allowed), base::join_names(allowed)));
  return static_cast<std::size_t>(found - allowed.begin());
}

template <typename Number>
void in_range(const char* option, Number value, Number low, Number high) {
  if (!(value >= low && value <= high))
    throw base::UserError(fmt::format("quantize: {}: got {}, allowed: {} to {}", option, value, low, high));
}

/// What the words say, whatever the format.
EncodingOptions common_options(const QuantizeOptions& options) {
  in_range("--percentile", options.percentile, 1.0, 100.0);
  in_range("--bins", options.bins, 128, 65536);
  in_range("--block", options.block, 0, std::numeric_limits<int>::max());
  in_range("--scale-bits", options.scale_bits, 1, 16);
  in_range("--kmeans-iterations", options.kmeans_iterations, 1, 1'000'000);
  in_range("--seed", options.seed, std::int64_t{0}, std::numeric_limits<std::int64_t>::max());
  EncodingOptions encoding;
  encoding.block = options.block;
  encoding.axis = options.axis.value_or(-1);
  encoding.percentile = options.percentile;
  encoding.bins = options.bins;
  encoding.rounding = word("--rounding", options.rounding, {"even", "away"}) == 0 ? quant::Rounding::even
                                                                                  : quant::Rounding::away;
  encoding.scale_rule =
      word("--scale", options.scale, {"range", "one"}) == 0 ? quant::ScaleRule::range : quant::ScaleRule::one;
  encoding.saturate = !options.no_saturation;
  encoding.seed = static_cast<std::uint64_t>(options.seed);
  encoding.scale_bits = options.scale_bits;
  encoding.kmeans_init = static_cast<quant::KmeansInit>(
      word("--kmeans-init", options.kmeans_init, {"linear", "density", "plus_plus", "binned", "optimal"}));
  encoding.kmeans_iterations = options.kmeans_iterations;
  encoding.calibration =
      quant::calibration_methods()[word("--calibration", options.calibration, quant::calibration_names())]
          .kind;
  return encoding;
}

void set_slices(const QuantizeOptions& options, Format format, EncodingOptions& encoding) {
  if (options.granularity.empty()) return;
  quant::Slicing slicing =
      quant::parse_slicing(options.granularity, options.axis.value_or(-1), "quantize: --granularity");
  const bool names_no_axis = options.granularity == "channel" || options.granularity == "token";
  if (names_no_axis && options.axis) slicing.axis = *options.axis;
  // Of formats with blocks of their own, a group is one.
  if (slicing.grain == quant::Grain::group && format.row().block > 0) {
    encoding.block = slicing.size;
    encoding.axis = slicing.axis;
    return;
  }
  encoding.slicing = slicing;
}

void set_scheme(const QuantizeOptions& options, Format format, EncodingOptions& encoding) {
  const bool is_signed = format.row().is_signed;
  if (!options.range.empty() && format.row().kind != FormatKind::integer)
    throw base::UserError(
        fmt::format("quantize: --range: {} has no such choice; int2 to int16 have", format.name()));
  if (!options.scheme.empty()) {
    const bool affine = word("--scheme", options.scheme, {"symmetric", "affine"}) == 1;
    if (affine) encoding.scheme = quant::Scheme::affine;
    if (!affine && !is_signed) encoding.symmetric_unsigned = true;
  }
  if (!options.range.empty()) {
    const bool full = word("--range", options.range, {"narrow", "full"}) == 1;
    const bool affine = encoding.scheme == quant::Scheme::affine || !is_signed;
    if (affine && !full)
      throw base::UserError(
          fmt::format("quantize: --range narrow: {} with a zero point uses its full range", format.name()));
    encoding.full_range = full && !affine;
  }
}

}  // namespace

void add_quantize_options(CLI::App& command, QuantizeOptions& options) {
  command
      .add_option("tensor", options.tensor,
                  "file of float32 or float64 numbers: .npy, .npz, .h5 (or FILE:DATASET)")
      ->type_name("TENSOR");
  command.add_option("--dataset", options.dataset, "array of an .npz or .h5 file; the only one if left out")
      ->type_name("NAME");
  command
      .add_option("--format", options.format, "number format, e.g. int4, mxfp4, kmeans3; 'all' compares all")
      ->type_name("NAME");
  command.add_option("--bits", options.bits,
                     "bits of a family: --format int --bits 4 is int4; int if no format");
  command.add_flag("--unsigned", options.is_unsigned, "with --bits: uint in place of int");
  command
      .add_option("--scheme", options.scheme,
                  "symmetric or affine (zero point), of integers; default: int symmetric, uint affine")
      ->type_name("SCHEME");
  command
      .add_option("--range", options.range, "narrow or full, of symmetric signed integers; default narrow")
      ->type_name("RANGE");
  command
      .add_option("--granularity", options.granularity,
                  "what shares a scale: tensor, channel[:AXIS], group:SIZE[:AXIS] (or vector, block), "
                  "token[:AXIS]; default tensor")
      ->type_name("WORD");
  command.add_option("--axis", options.axis,
                     "along which groups and blocks run, default the last; of channel: which");
  command.add_option("--block", options.block, "elements of a format's own blocks; default the format's");
  command
      .add_option("--calibration", options.calibration,
                  "how an integer's range is found: " + base::join_names(quant::calibration_names()))
      ->type_name("METHOD")
      ->capture_default_str();
  command.add_option("--percentile", options.percentile, "of --calibration percentile, 1 to 100")
      ->capture_default_str();
  command.add_option("--bins", options.bins, "of the histograms of --calibration kl")->capture_default_str();
  command.add_option("--rounding", options.rounding, "of halves: even or away (from zero)")
      ->type_name("WORD")
      ->capture_default_str();
  command
      .add_option("--scale", options.scale,
                  "range: the largest value fills the format; one: a plain cast, of integers and fp formats")
      ->type_name("RULE")
      ->capture_default_str();
  command.add_flag("--no-saturation", options.no_saturation,
                   "fp8: what is too large becomes infinity or NaN, not the largest number");
  command.add_option("--scale-bits", options.scale_bits, "vsq: bits of a vector's integer scale")
      ->capture_default_str();
  command
      .add_option("--kmeans-init", options.kmeans_init,
                  "linear, density, plus_plus, binned, or optimal (exact)")
      ->type_name("WORD")
      ->capture_default_str();
  command.add_option("--kmeans-iterations", options.kmeans_iterations, "at most")->capture_default_str();
  command.add_option("--seed", options.seed, "of binary_stochastic and k-means++")->capture_default_str();
  command
      .add_option("--config", options.config,
                  "YAML file of these options: format: int4, granularity: group:32")
      ->type_name("FILE");
  command
      .add_option("--output", options.output,
                  "OUT.h5: codes, scales, dequantized tensor; OUT.npy: the latter, others beside it")
      ->type_name("OUT");
  command.add_flag("--list", options.list, "describe every format, calibration method and granularity");
  command.add_flag("--json", options.json, "print one JSON object");
}

void apply_options_file(CLI::App& command, const std::string& file) {
  const base::YamlDocument document = base::read_yaml(file);
  if (!document.root.is_map())
    document.fail(document.root.mark, "expected a map of options, got " + document.root.described());
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (std::string name : option->get_lnames()) {
      std::ranges::replace(name, '-', '_');
      if (name != "help" && name != "config") names.push_back(std::move(name));
    }
  for (const base::YamlEntry& entry : document.root.entries) {
    if (std::ranges::find(names, entry.key) == names.end())
      document.fail(entry.key_mark,
                    fmt::format("unknown key '{}'{}; allowed: {}", entry.key,
                                base::did_you_mean(entry.key, names), base::join_names(names)));
    if (!entry.value.is_scalar())
      document.fail(entry.value.mark,
                    fmt::format("{} is {}; expected a word or a number", entry.key, entry.value.described()));
    std::string name = "--" + entry.key;
    std::ranges::replace(name, '_', '-');
    CLI::Option& option = *command.get_option(name);
    if (option.count() > 0) continue;  // the command line has the last word
    try {
      option.add_result(entry.value.text);
      option.run_callback();
    } catch (const CLI::Error& error) {
      document.fail(entry.value.mark, fmt::format("{}: {}", entry.key, error.what()));
    }
  }
}

Format format_of(const QuantizeOptions& options) {
  std::string name = options.format;
  if (options.is_unsigned && (!options.bits || (!name.empty() && name != "uint")))
    throw base::UserError("quantize: --unsigned goes with --bits and no --format; or name uint1 to uint16");
  if (options.bits) {
    if (name.empty()) name = options.is_unsigned ? "uint" : "int";
    for (const quant::FormatRow& row : quant::format_rows()) {
      const bool is_named = row.numbered && (name == row.name || name + "_" == row.name);
      if (!is_named) continue;
      in_range("--bits", *options.bits, row.low_bits, row.high_bits);
      return {row.code + *options.bits};
    }
    const Format format = quant::format_named(name, "quantize: --format");
    if (format.element_bits() != *options.bits)
      throw base::UserError(fmt::format("quantize: --bits: got {}, but {} has {}", *options.bits,
                                        format.name(), format.element_bits()));
    return format;
  }
  if (name.empty())
    throw base::UserError("quantize: into what? Give --format NAME, or --format all; --list describes them");
  const Format format = quant::format_named(name, "quantize: --format");
  if (format.is_float()) throw base::UserError("quantize: --format: fp32 is what tensors are in already");
  return format;
}

EncodingOptions encoding_options(const QuantizeOptions& options, Format format) {
  EncodingOptions encoding = common_options(options);
  set_slices(options, format, encoding);
  set_scheme(options, format, encoding);
  quant::check_options(format, encoding);
  return encoding;
}

EncodingOptions fitting_options(const QuantizeOptions& options, Format format) {
  EncodingOptions encoding = common_options(options);
  const bool integer = format.row().kind == FormatKind::integer;
  const bool own_blocks = format.row().block > 0;
  if (!own_blocks) encoding.block = 0;
  set_slices(options, format, encoding);
  if (own_blocks) encoding.block = options.block;  // a group is for formats without blocks of their own
  if (!quant::takes_slices(format)) encoding.slicing = {};
  if (integer)
    set_scheme(options, format, encoding);
  else
    encoding.calibration = quant::Calibration::minmax;
  if (!integer && format.row().kind != FormatKind::minifloat) encoding.scale_rule = quant::ScaleRule::range;
  if (format.name() != "fp8_e4m3" && format.name() != "fp8_e5m2") encoding.saturate = true;
  quant::check_options(format, encoding);
  return encoding;
}

}  // namespace bitsmith::experiments
