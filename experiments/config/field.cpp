#include "experiments/config/field.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::experiments {

namespace {

/// Bounds as people write them: 65536, not 65536.0 or 6.5536e+04.
std::string bound_text(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) < 1e15;
  return whole ? fmt::format("{:.0f}", value) : base::shortest(value);
}

std::string number_text(const Field& field, std::string_view kind) {
  if (!field.integers.empty()) {
    std::string text;
    for (const int value : field.integers) text += (text.empty() ? "" : ", ") + std::to_string(value);
    return text;
  }
  const std::string range = field.range.text();
  return std::string(kind) + (range.empty() ? "" : ", " + range);
}

std::string list_text(const Field& field, const std::string& element) {
  const std::size_t no_limit = std::numeric_limits<std::size_t>::max();
  std::string size;
  if (field.min_size == field.max_size) {
    size = fmt::format(" of {}", field.min_size);
  } else if (field.max_size != no_limit) {
    size = fmt::format(" of {} to {}", field.min_size, field.max_size);
  } else if (field.min_size > 0) {
    size = fmt::format(" of at least {}", field.min_size);
  }
  return fmt::format("a list{} ({})", size, element);
}

struct TypeName {
  const Field& field;
  std::string operator()(bool*) const { return "boolean"; }
  std::string operator()(int*) const { return "integer"; }
  std::string operator()(double*) const { return "number"; }
  std::string operator()(std::string*) const { return field.choices.empty() ? "text" : "word"; }
  std::string operator()(std::vector<int>*) const { return "list of integers"; }
  std::string operator()(std::vector<double>*) const { return "list of numbers"; }
  std::string operator()(std::vector<std::string>*) const {
    return field.choices.empty() ? "list of texts" : "list of words";
  }
  std::string operator()(quant::Format*) const { return "format"; }
  std::string operator()(std::vector<quant::Format>*) const { return "list of formats"; }
  std::string operator()(const Choice&) const { return "word"; }
  std::string operator()(std::vector<Constraint>*) const { return "map of bounds"; }
  std::string operator()(std::vector<quant::LayerOverride>*) const { return "map of layers"; }
};

struct AllowedText {
  const Field& field;
  std::string operator()(bool*) const { return "true, false"; }
  std::string operator()(int*) const { return number_text(field, "an integer"); }
  std::string operator()(double*) const { return number_text(field, "a number"); }
  std::string operator()(std::string*) const {
    return field.choices.empty() ? "a text" : base::join_names(field.choices);
  }
  std::string operator()(std::vector<int>*) const { return list_text(field, number_text(field, "integers")); }
  std::string operator()(std::vector<double>*) const {
    return list_text(field, number_text(field, "numbers"));
  }
  std::string operator()(std::vector<std::string>*) const {
    return list_text(field, field.choices.empty() ? "texts" : base::join_names(field.choices));
  }
  std::string operator()(quant::Format*) const { return field.formats; }
  std::string operator()(std::vector<quant::Format>*) const { return list_text(field, field.formats); }
  std::string operator()(const Choice&) const { return base::join_names(field.choices); }
  std::string operator()(std::vector<quant::LayerOverride>*) const {
    return "a map of layers' names to maps of weight_method, activation_method, weight_bits (or a format), "
           "activation_bits";
  }
  std::string operator()(std::vector<Constraint>*) const {
    return "a map of size, bops, latency or a metric of the hardware program to bounds like 0.5x or 1.2 ms";
  }
};

}  // namespace

bool Range::contains(double value) const {
  return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
}

std::string Range::text() const {
  if (std::isinf(low) && std::isinf(high)) return {};
  if (std::isinf(high)) return (low_open ? "above " : "at least ") + bound_text(low);
  if (std::isinf(low)) return (high_open ? "below " : "at most ") + bound_text(high);
  return (low_open ? "above " : "") + bound_text(low) + " to " + (high_open ? "below " : "") +
         bound_text(high);
}

Range between(double low, double high) { return {low, high, false, false}; }
Range from_up_to_below(double low, double high) { return {low, high, false, true}; }
Range above_up_to(double low, double high) { return {low, high, true, false}; }

std::string Field::type_name(const FieldValue& value) const { return std::visit(TypeName{*this}, value); }

std::string Field::allowed(const FieldValue& value) const { return std::visit(AllowedText{*this}, value); }

}  // namespace bitsmith::experiments
