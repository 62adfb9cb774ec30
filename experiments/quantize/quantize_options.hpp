#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quant/formats/encoding.hpp"

namespace bitsmith::experiments {

/// The words of `bitsmith quantize`, as they were given; empty where they were not.
struct QuantizeOptions {
  std::string tensor, dataset, output;
  std::string config;  ///< YAML file of further options
  std::string format;  ///< a name, "all", or a family whose bits are in `bits`
  std::optional<int> bits;
  bool is_unsigned = false;
  std::string scheme, range, granularity, calibration = "minmax", rounding = "even", scale = "range";
  std::string kmeans_init = "binned";
  std::optional<int> axis;
  int block = 0, bins = 2048, scale_bits = 4, kmeans_iterations = 300;
  double percentile = 99.99;
  bool no_saturation = false;
  std::int64_t seed = 1;
  bool list = false, json = false;
};
void add_quantize_options(CLI::App& command, QuantizeOptions& options);

/// Sets the options that a YAML file names (`format: int4`, `granularity: group:32`, `kmeans_init: optimal`:
/// the same words, with _ for -) and the command line did not. Throws UserError (file:line:column) for keys
/// that are no options and values that they do not take.
void apply_options_file(CLI::App& command, const std::string& file);

/// The format that the words name; throws UserError (nearest names, allowed bits).
quant::Format format_of(const QuantizeOptions& options);

/// What encode() is told of one format. Throws UserError for words that there are none of, and for options
/// that do not go with the format.
quant::EncodingOptions encoding_options(const QuantizeOptions& options, quant::Format format);

/// The same, without what does not go with the format: for comparing all.
quant::EncodingOptions fitting_options(const QuantizeOptions& options, quant::Format format);

}  // namespace bitsmith::experiments
