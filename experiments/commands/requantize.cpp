#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "experiments/commands/command.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"
#include "quant/fixed_point.hpp"
#include "quant/formats/format.hpp"

namespace bitsmith::experiments {

namespace {

using Json = nlohmann::ordered_json;

struct RequantizeOptions {
  std::string accumulators, output, rule = "double_rounding", format = "int8";
  std::vector<double> multipliers;
  std::string add;                 ///< file of the second operand
  std::vector<double> scales;      ///< of both operands and the sum
  std::vector<int> operand_zeros;  ///< of both operands
  int zero_point = 0, low = std::numeric_limits<int>::min(), high = std::numeric_limits<int>::max();
  bool json = false;
};

const quant::RequantizationRow& row_named(const std::string& name) {
  std::vector<std::string> names;
  for (const quant::RequantizationRow& row : quant::requantization_rows()) {
    if (row.name == name) return row;
    names.emplace_back(row.name);
  }
  throw base::UserError(fmt::format("requantize: --rule: got '{}'{}; allowed: {}", name,
                                    base::did_you_mean(name, names), base::join_names(names)));
}

/// The integers of int8 or uint8, within what --low and --high allow.
quant::OutputIntegers output_integers(const RequantizeOptions& options) {
  const quant::Format format = quant::format_named(options.format, "requantize: --format");
  const bool known = format.name() == "int8" || format.name() == "uint8";
  if (!known)
    throw base::UserError(fmt::format("requantize: --format: got {}, allowed: int8, uint8", format.name()));
  const bool is_signed = format.row().is_signed;
  const int least = is_signed ? -128 : 0, most = is_signed ? 127 : 255;
  quant::OutputIntegers out{options.zero_point, std::max(least, options.low), std::min(most, options.high)};
  const auto check = [&](const char* option, int value, bool given) {
    if (given && (value < least || value > most))
      throw base::UserError(fmt::format("requantize: {}: got {}, allowed for {}: {} to {}", option, value,
                                        options.format, least, most));
  };
  check("--zero-point", options.zero_point, true);
  check("--low", options.low, options.low != std::numeric_limits<int>::min());
  check("--high", options.high, options.high != std::numeric_limits<int>::max());
  if (out.low > out.high)
    throw base::UserError(fmt::format("requantize: --low {} is above --high {}", options.low, options.high));
  return out;
}

std::vector<std::int32_t> integers_of(const base::NpyArray& array) {
  std::vector<std::int32_t> integers;
  for (const std::int64_t value : array.integers()) {
    if (value != static_cast<std::int32_t>(value))
      throw base::UserError(
          fmt::format("{}: element {} is {}, beyond int32", array.source, integers.size(), value));
    integers.push_back(static_cast<std::int32_t>(value));
  }
  if (integers.empty()) throw base::UserError(fmt::format("{}: holds no integers", array.source));
  return integers;
}

void write_codes(const RequantizeOptions& options, const std::vector<std::int32_t>& codes,
                 const std::vector<std::uint64_t>& shape) {
  if (!options.output.empty()) base::write_npy(options.output, std::span<const std::int32_t>(codes), shape);
}

/// Sum of two quantized tensors in integers.
void add(const RequantizeOptions& options, const Streams& streams) {
  if (options.scales.size() != 3 || options.operand_zeros.size() != 2 || !options.multipliers.empty())
    throw base::UserError(
        "requantize: --add goes with --scales A B SUM and --zero-points A B, and no --multiplier");
  for (const double scale : options.scales)
    if (!(scale > 0 && std::isfinite(scale)))
      throw base::UserError(fmt::format("requantize: --scales: got {:g}, allowed is above 0", scale));
  const double larger = std::max(options.scales[0], options.scales[1]) / options.scales[2];
  if (!(larger >= 0x1p-32 && larger < 0x1p16))
    throw base::UserError(
        fmt::format("requantize: --scales: an operand's is {:g} of the sum's, allowed is 2^-32 to "
                    "below 2^16",
                    larger));
  const base::NpyArray first = base::read_npy(options.accumulators), second = base::read_npy(options.add);
  if (first.shape != second.shape)
    throw base::UserError(
        fmt::format("requantize: {} and {} have different shapes", first.source, second.source));
  const std::vector<std::int32_t> a = integers_of(first), b = integers_of(second);
  const quant::QuantizedAdd sum({options.scales[0], options.operand_zeros[0]},
                                {options.scales[1], options.operand_zeros[1]}, options.scales[2],
                                output_integers(options));
  std::vector<std::int32_t> codes;
  for (std::size_t i = 0; i < a.size(); ++i) codes.push_back(sum(a[i], b[i]));
  write_codes(options, codes, first.shape);
  if (options.json)
    streams.out << Json{{"rule", "add"}, {"count", codes.size()}, {"codes", codes}}.dump(2) << "\n";
  else
    streams.out << fmt::format("{} + {}: {} integers\n", first.source, second.source, codes.size());
}

void requantize(const RequantizeOptions& options, const Streams& streams) {
  if (!options.output.empty() && !options.output.ends_with(".npy"))
    throw base::UserError(fmt::format("requantize: --output: '{}' does not end in .npy", options.output));
  if (!options.add.empty()) return add(options, streams);
  if (options.multipliers.empty()) throw base::UserError("requantize: by what? Give --multiplier, or --add");
  const quant::RequantizationRow& row = row_named(options.rule);
  const quant::OutputIntegers out = output_integers(options);
  for (const double m : options.multipliers)
    if (!(m >= row.from && m < row.below))
      throw base::UserError(fmt::format("requantize: --multiplier: got {:g}, {} takes {:g} to below {:g}", m,
                                        row.name, row.from, row.below));
  const base::NpyArray array = base::read_npy(options.accumulators);
  const std::vector<std::int32_t> accumulators = integers_of(array);
  const std::size_t channels = options.multipliers.size();
  const std::uint64_t last = array.shape.empty() ? 1 : array.shape.back();
  if (channels != 1 && channels != last)
    throw base::UserError(
        fmt::format("requantize: {} multipliers for {} channels (the last axis of {}); give 1 or {}",
                    channels, last, array.source, last));
  std::vector<std::int32_t> codes;
  codes.reserve(accumulators.size());
  for (std::size_t i = 0; i < accumulators.size(); ++i)
    codes.push_back(row.apply(accumulators[i], options.multipliers[i % channels], out));
  write_codes(options, codes, array.shape);
  if (options.json) {
    Json object{{"rule", row.name}, {"count", codes.size()}, {"multipliers", Json::array()}};
    for (const double m : options.multipliers) {
      const quant::FixedMultiplier fixed = quant::quantize_multiplier(m);
      object["multipliers"].push_back(
          {{"value", m}, {"mantissa", fixed.mantissa}, {"exponent", fixed.exponent}});
    }
    object["codes"] = codes;
    streams.out << object.dump(2) << "\n";
    return;
  }
  streams.out << fmt::format("{}: {} accumulators to {} by {} ({})\n", array.source, codes.size(),
                             options.format, row.name, row.source);
  for (const double m : options.multipliers) {
    const quant::FixedMultiplier fixed = quant::quantize_multiplier(m);
    streams.out << fmt::format("multiplier {:g} = {} x 2^({} - 31)\n", m, fixed.mantissa, fixed.exponent);
  }
}

}  // namespace

void add_requantize_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "requantize", "Turn int32 accumulators into 8-bit integers as integer-only runtimes do, to the bit");
  const auto options = std::make_shared<RequantizeOptions>();
  command.add_option("accumulators", options->accumulators, ".npy file of integers")
      ->type_name("ACC")
      ->required();
  command.add_option(
      "--multiplier", options->multipliers,
      "input scale times weight scale over output scale; one, or one for each index of the last axis");
  command
      .add_option("--rule", options->rule,
                  "double_rounding (gemmlowp), single_rounding (TFLite) or fp32 (XNNPACK)")
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--format", options->format, "int8 or uint8")->type_name("NAME")->capture_default_str();
  command
      .add_option("--add", options->add,
                  "second operand, .npy: ACC and it are quantized tensors, and are added")
      ->type_name("FILE");
  command.add_option("--scales", options->scales, "with --add: of ACC, of the second operand, of the sum")
      ->type_name("A B SUM");
  command.add_option("--zero-points", options->operand_zeros, "with --add: of ACC and of the second operand")
      ->type_name("A B");
  command.add_option("--zero-point", options->zero_point, "of the output")->capture_default_str();
  command.add_option("--low", options->low, "least output: the zero point for ReLU; default the format's");
  command.add_option("--high", options->high, "largest output; default the format's");
  command.add_option("--output", options->output, "OUT.npy: int32 codes")->type_name("OUT");
  command.add_flag("--json", options->json,
                   "print codes, and multipliers as mantissa and exponent, as one JSON object");
  command.callback([options, streams] { requantize(*options, streams); });
}

}  // namespace bitsmith::experiments
