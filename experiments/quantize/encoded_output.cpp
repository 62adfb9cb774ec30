#include "experiments/quantize/encoded_output.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string_view>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/npy.hpp"
#include "quant/formats/block_scale.hpp"

namespace bitsmith::experiments {
namespace {

namespace hdf5 = base::hdf5;
using quant::Encoded;

constexpr const char* kSchema = "bitsmith-encoded";
constexpr int kSchemaVersion = 1;

using Extents = std::vector<std::uint64_t>;

Extents extents(const std::vector<std::int64_t>& shape) { return {shape.begin(), shape.end()}; }

/// `shape` with a last axis over what each slice has several of.
Extents with_entries(const std::vector<std::int64_t>& shape, std::size_t values) {
  Extents result = extents(shape);
  std::uint64_t slices = 1;
  for (const std::uint64_t extent : result) slices *= extent;
  result.push_back(values / slices);
  return result;
}

/// Calls `write(name, values, shape)` with every array that the format has.
template <class Write>
void visit_arrays(const Encoded& encoded, std::span<const float> dequantized, const Write& write) {
  const auto present = [&](const char* name, const auto& values, const Extents& shape) {
    if (!values.empty()) write(name, std::span(values), shape);
  };
  const bool blocks = !encoded.block_scales.empty();
  present("codes", encoded.codes, extents(encoded.shape));
  present("dequantized", dequantized, extents(encoded.shape));
  const std::vector<std::uint8_t> packed = quant::pack(encoded);
  present("packed", packed, {packed.size()});
  const std::vector<float> scales = quant::innermost_scales(encoded);
  present("scales", scales, extents(blocks ? encoded.block_scale_shape : encoded.scale_shape));
  present("zero_points", encoded.zero_points, extents(encoded.scale_shape));
  present("codebook", encoded.codebook, with_entries(encoded.scale_shape, encoded.codebook.size()));
  if (!blocks) return;
  present("slice_scales", encoded.scales, extents(encoded.scale_shape));
  std::vector<float> values;
  for (const std::int32_t code : encoded.block_scales)
    values.push_back(quant::block_scale_value(encoded.format, code));
  present("block_scales", values, extents(encoded.block_scale_shape));
  present("block_scale_codes", encoded.block_scales, extents(encoded.block_scale_shape));
  present("pair_shifts", encoded.pair_shifts, {encoded.pair_shifts.size()});
}

void write_hdf5(const std::string& path, const Encoded& encoded, std::span<const float> dequantized,
                const QuantizationReport& report) {
  hdf5::write_file(path, [&](hdf5::File& file) {
    file.set_attribute("/", "schema", kSchema);
    file.set_attribute("/", "schema_version", kSchemaVersion);
    file.set_attribute("/", "source", report.source);
    file.set_attribute("/", "format", report.format.name());
    file.set_attribute("/", "element_bits", report.format.element_bits());
    file.set_attribute("/", "effective_bits", report.effective_bits);
    file.set_attribute("/", "granularity", quant::slicing_to_string(encoded.options.slicing));
    file.set_attribute("/", "axis", encoded.options.axis);
    file.set_attribute("/", "sqnr_db", report.error.sqnr_db);
    file.set_attribute("/", "mse", report.error.mse);
    file.set_attribute("/", "max_error", report.error.max_error);
    file.set_attribute("/", "cosine", report.error.cosine);
    file.set_attribute("/", "clipped", report.clipped);
    visit_arrays(encoded, dequantized, [&](const char* name, auto values, const Extents& shape) {
      file.write(name, values, shape);
    });
  });
}

constexpr const char* kBesideNpy[] = {"codes",      "packed",       "scales",       "zero_points",
                                      "codebook",   "slice_scales", "block_scales", "block_scale_codes",
                                      "pair_shifts"};

/// The dequantized tensor comes last: where it is new, all are. What an earlier format had and this one has
/// not is removed.
void write_npys(const std::string& path, const Encoded& encoded, std::span<const float> dequantized) {
  const std::string stem = path.substr(0, path.size() - std::string_view(".npy").size());
  const auto beside = [&](const std::string& name) { return fmt::format("{}.{}.npy", stem, name); };
  std::set<std::string> written;
  visit_arrays(encoded, dequantized, [&](const std::string& name, auto values, const Extents& shape) {
    if (name == "dequantized") return;
    base::write_npy(beside(name), values, shape);
    written.insert(name);
  });
  for (const char* name : kBesideNpy)
    if (!written.contains(name)) std::filesystem::remove(beside(name));
  base::write_npy(path, dequantized, extents(encoded.shape));
}

}  // namespace

void check_output_name(const std::string& path) {
  if (!path.ends_with(".npy") && !path.ends_with(".h5") && !path.ends_with(".hdf5"))
    throw base::UserError(fmt::format("{}: outputs end in .npy, .h5 or .hdf5", path));
  if (std::filesystem::is_directory(path))
    throw base::UserError(fmt::format("{}: is a directory, not a file", path));
}

void write_encoded(const std::string& path, const Encoded& encoded, std::span<const float> dequantized,
                   const QuantizationReport& report) {
  check_output_name(path);
  if (path.ends_with(".npy"))
    write_npys(path, encoded, dequantized);
  else
    write_hdf5(path, encoded, dequantized, report);
}

}  // namespace bitsmith::experiments
