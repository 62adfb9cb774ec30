#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/quantize/encoded_output.hpp"
#include "experiments/quantize/format_list.hpp"
#include "experiments/quantize/quantize_options.hpp"
#include "experiments/quantize/tensor_input.hpp"
#include "experiments/text_table.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::experiments {

namespace {

using Json = nlohmann::ordered_json;

/// Says whose numbers are wrong.
quant::Encoded encode(const TensorInput& tensor, quant::Format format,
                      const quant::EncodingOptions& options) try {
  return tensor.is_double() ? quant::encode(tensor.doubles, tensor.shape, format, options)
                            : quant::encode(tensor.floats, tensor.shape, format, options);
} catch (const base::UserError& error) {
  throw base::UserError(fmt::format("{}: {}", tensor.source, error.what()));
}

QuantizationReport report_of(const TensorInput& tensor, const quant::Encoded& encoded,
                             std::span<const float> dequantized) {
  return {tensor.source, encoded.format, quant::measure_error(tensor.floats, dequantized), encoded.clipped,
          quant::effective_bits(encoded)};
}

/// NaN has no sign.
double plain(double value) { return std::isnan(value) ? std::abs(value) : value; }

/// JSON has no infinity and no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const QuantizationReport& report) {
  return {{"format", report.format.name()},
          {"effective_bits", report.effective_bits},
          {"sqnr_db", number(report.error.sqnr_db)},
          {"mse", number(report.error.mse)},
          {"max_error", number(report.error.max_error)},
          {"cosine", number(report.error.cosine)},
          {"clipped", report.clipped}};
}

void quantize_into_one(const TensorInput& tensor, const QuantizeOptions& options, const Streams& streams) {
  const quant::Format format = format_of(options);
  const quant::Encoded encoded = encode(tensor, format, encoding_options(options, format));
  const std::vector<float> dequantized = quant::decode(encoded);
  const QuantizationReport report = report_of(tensor, encoded, dequantized);
  if (!options.output.empty()) write_encoded(options.output, encoded, dequantized, report);
  if (options.json) {
    Json object = json_of(report);
    object["source"] = tensor.source;
    object["shape"] = tensor.shape;
    object["scales"] = encoded.scales.size() + encoded.block_scales.size();
    object["output"] = options.output.empty() ? Json(nullptr) : Json(options.output);
    streams.out << object.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
    return;
  }
  streams.out << fmt::format(
      "{} [{}] in {}: SQNR {:.2f} dB, MSE {:.6g}, maximum error {:.6g}, cosine {:.6f}, clipped {:.4f} %, "
      "effective bits {:.4f}\n",
      tensor.source, fmt::join(tensor.shape, ", "), format.name(), plain(report.error.sqnr_db),
      plain(report.error.mse), plain(report.error.max_error), report.error.cosine, 100 * report.clipped,
      report.effective_bits);
  if (!options.output.empty()) streams.out << "written: " << options.output << "\n";
}

void compare_all(const TensorInput& tensor, const QuantizeOptions& options, const Streams& streams) {
  if (!options.output.empty())
    throw base::UserError("quantize: --format all compares; name one format to write --output");
  std::vector<quant::Format> formats = quant::all_formats();
  std::ranges::stable_sort(formats);
  std::vector<QuantizationReport> reports;
  for (const quant::Format format : formats) {
    const quant::Encoded encoded = encode(tensor, format, fitting_options(options, format));
    reports.push_back(report_of(tensor, encoded, quant::decode(encoded)));
  }
  if (options.json) {
    Json object{{"source", tensor.source}, {"shape", tensor.shape}, {"formats", Json::array()}};
    for (const QuantizationReport& report : reports) object["formats"].push_back(json_of(report));
    streams.out << object.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
    return;
  }
  TextTable table({{"format", TextTable::Align::left},
                   {"effective bits"},
                   {"SQNR, dB"},
                   {"MSE"},
                   {"maximum error"},
                   {"cosine"},
                   {"clipped, %"}});
  for (const QuantizationReport& report : reports)
    table.add({report.format.name(), fmt::format("{:.4f}", report.effective_bits),
               fmt::format("{:.2f}", report.error.sqnr_db), fmt::format("{:.4g}", report.error.mse),
               fmt::format("{:.4g}", report.error.max_error), fmt::format("{:.6f}", report.error.cosine),
               fmt::format("{:.3f}", 100 * report.clipped)});
  streams.out << fmt::format("{} [{}]\n\n", tensor.source, fmt::join(tensor.shape, ", ")) << table.text();
}

void quantize(const QuantizeOptions& options, const Streams& streams) {
  if (options.list) {
    streams.out << (options.json ? format_list_json() + "\n" : format_list_text());
    return;
  }
  if (options.tensor.empty())
    throw base::UserError("quantize: which tensor? Give a .npy, .npz or .h5 file, or --list");
  if (!options.output.empty()) check_output_name(options.output);
  const bool all = options.format == "all";
  if (!all) encoding_options(options, format_of(options));  // before a large file is read
  std::error_code ignored;
  if (!options.output.empty() &&
      std::filesystem::equivalent(options.output, tensor_file(options.tensor, options.dataset), ignored))
    throw base::UserError(fmt::format("quantize: --output: {} is the input; it is kept", options.output));
  const TensorInput tensor = read_tensor(options.tensor, options.dataset);
  const int rank = static_cast<int>(tensor.shape.size());
  if (options.axis && rank > 0 && (*options.axis < -rank || *options.axis >= rank))
    throw base::UserError(fmt::format("quantize: --axis: got {}, allowed for {}: {} to {}", *options.axis,
                                      tensor.source, -rank, rank - 1));
  if (all)
    compare_all(tensor, options, streams);
  else
    quantize_into_one(tensor, options, streams);
}

}  // namespace

void add_quantize_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "quantize",
      "Put a tensor into a number format: codes, scales, and what is lost; or compare all formats");
  const auto options = std::make_shared<QuantizeOptions>();
  add_quantize_options(command, *options);
  command.callback([options, streams, &command] {
    if (!options->config.empty()) apply_options_file(command, options->config);
    quantize(*options, streams);
  });
}

}  // namespace bitsmith::experiments
