#include "experiments/quantize/format_list.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "experiments/text_table.hpp"
#include "quant/calibration_methods.hpp"
#include "quant/formats/format.hpp"
#include "quant/serving.hpp"

namespace bitsmith::experiments {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, const char*> kGranularities[] = {
    {"tensor", "one scale for everything"},
    {"channel:AXIS", "one for all elements of an index of the axis; channel alone is channel:0"},
    {"group:SIZE[:AXIS]",
     "one for each SIZE elements along the axis, the last perhaps fewer; also vector, block"},
    {"token[:AXIS]", "one for each row along the axis, as dynamic quantization per token has"},
};

constexpr std::pair<const char*, const char*> kRoundings[] = {
    {"even", "halves to the even neighbour"},
    {"away", "halves away from zero"},
};

std::string names_of(const quant::FormatRow& row) {
  return row.numbered ? fmt::format("{0}{1} .. {0}{2}", row.name, row.low_bits, row.high_bits)
                      : std::string(row.name);
}

std::string bits_of(const quant::FormatRow& row) {
  return row.numbered ? fmt::format("{}-{}", row.low_bits, row.high_bits) : fmt::format("{}", row.low_bits);
}

std::string effective_bits_of(const quant::FormatRow& row) {
  const auto bits = [&](int element_bits) {
    return fmt::format("{:g}",
                       quant::Format(row.numbered ? row.code + element_bits : row.code).effective_bits());
  };
  return row.numbered ? bits(row.low_bits) + "-" + bits(row.high_bits) : bits(row.low_bits);
}

std::string words(const quant::FormatProperties& properties) {
  std::string text;
  const auto add = [&](bool holds, const char* word) {
    if (holds) text += (text.empty() ? "" : ", ") + std::string(word);
  };
  add(properties.idempotent, "idempotent");
  add(properties.monotone, "monotone");
  add(properties.symmetric, "symmetric");
  add(properties.zero_to_zero, "0 to 0");
  add(!properties.deterministic, "random");
  return text;
}

std::string kernel_of(quant::Format format) {
  if (!quant::weight_format(format.name())) return "-";
  const int bits = quant::kernel_weight_bits(format);
  return bits == quant::kFloatBits ? "fp32" : fmt::format("int{}", bits);
}

}  // namespace

std::string format_list_text() {
  using Align = TextTable::Align;
  TextTable formats({{"format", Align::left},
                     {"bits"},
                     {"effective"},
                     {"block"},
                     {"what", Align::left},
                     {"holds", Align::left},
                     {"source", Align::left}});
  for (const quant::FormatRow& row : quant::format_rows())
    formats.add({names_of(row), bits_of(row), effective_bits_of(row),
                 row.block > 0 ? fmt::format("{}", row.block) : "-", std::string(row.what),
                 words(row.properties), std::string(row.source)});
  TextTable methods({{"calibration", Align::left}, {"what", Align::left}, {"source", Align::left}});
  for (const quant::CalibrationRow& row : quant::calibration_methods())
    methods.add({std::string(row.name), std::string(row.what), std::string(row.source)});
  TextTable granularities({{"granularity", Align::left}, {"scales", Align::left}});
  for (const auto& [name, what] : kGranularities) granularities.add({name, what});
  TextTable roundings({{"rounding", Align::left}, {"what", Align::left}});
  for (const auto& [name, what] : kRoundings) roundings.add({name, what});
  return formats.text() + "\n" + methods.text() + "\n" + granularities.text() + "\n" + roundings.text();
}

std::string format_list_json() {
  Json object;
  for (const quant::Format format : quant::all_formats()) {
    const quant::FormatRow& row = format.row();
    object["formats"].push_back({{"name", format.name()},
                                 {"code", format.code()},
                                 {"element_bits", format.element_bits()},
                                 {"effective_bits", format.effective_bits()},
                                 {"block", row.block},
                                 {"signed", row.is_signed},
                                 {"weight_kernel", kernel_of(format)},
                                 {"properties", words(row.properties)},
                                 {"what", row.what},
                                 {"source", row.source}});
  }
  for (const quant::CalibrationRow& row : quant::calibration_methods())
    object["calibrations"].push_back({{"name", row.name}, {"what", row.what}, {"source", row.source}});
  for (const auto& [name, what] : kGranularities)
    object["granularities"].push_back({{"name", name}, {"what", what}});
  for (const auto& [name, what] : kRoundings) object["roundings"].push_back({{"name", name}, {"what", what}});
  return object.dump(2);
}

}  // namespace bitsmith::experiments
