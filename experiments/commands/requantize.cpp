#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
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

void requantize(const RequantizeOptions& options, const Streams& streams) {
  const quant::RequantizationRow& row = row_named(options.rule);
  const quant::OutputIntegers out = output_integers(options);
  for (const double m : options.multipliers)
    if (!(m >= row.from && m < row.below))
      throw base::UserError(fmt::format("requantize: --multiplier: got {:g}, {} takes {:g} to below {:g}", m,
                                        row.name, row.from, row.below));
  if (!options.output.empty() && !options.output.ends_with(".npy"))
    throw base::UserError(fmt::format("requantize: --output: '{}' does not end in .npy", options.output));
  const base::NpyArray array = base::read_npy(options.accumulators);
  const std::vector<std::int64_t> accumulators = array.integers();
  if (accumulators.empty()) throw base::UserError(fmt::format("{}: holds no accumulators", array.source));
  const std::size_t channels = options.multipliers.size();
  const std::uint64_t last = array.shape.empty() ? 1 : array.shape.back();
  if (channels != 1 && channels != last)
    throw base::UserError(
        fmt::format("requantize: {} multipliers for {} channels (the last axis of {}); give 1 or {}",
                    channels, last, array.source, last));
  std::vector<std::int32_t> codes;
  codes.reserve(accumulators.size());
  for (std::size_t i = 0; i < accumulators.size(); ++i) {
    if (accumulators[i] != static_cast<std::int32_t>(accumulators[i]))
      throw base::UserError(
          fmt::format("{}: element {} is {}, beyond int32", array.source, i, accumulators[i]));
    codes.push_back(
        row.apply(static_cast<std::int32_t>(accumulators[i]), options.multipliers[i % channels], out));
  }
  if (!options.output.empty())
    base::write_npy(options.output, std::span<const std::int32_t>(codes), array.shape);
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
  command
      .add_option(
          "--multiplier", options->multipliers,
          "input scale times weight scale over output scale; one, or one for each index of the last axis")
      ->required();
  command
      .add_option("--rule", options->rule,
                  "double_rounding (gemmlowp), single_rounding (TFLite) or fp32 (XNNPACK)")
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--format", options->format, "int8 or uint8")->type_name("NAME")->capture_default_str();
  command.add_option("--zero-point", options->zero_point, "of the output")->capture_default_str();
  command.add_option("--low", options->low, "least output: the zero point for ReLU; default the format's");
  command.add_option("--high", options->high, "largest output; default the format's");
  command.add_option("--output", options->output, "OUT.npy: int32 codes")->type_name("OUT");
  command.add_flag("--json", options->json,
                   "print codes, and multipliers as mantissa and exponent, as one JSON object");
  command.callback([options, streams] { requantize(*options, streams); });
}

}  // namespace bitsmith::experiments
