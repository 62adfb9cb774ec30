#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "experiments/config/constraint.hpp"
#include "quant/formats/format.hpp"
#include "quant/options.hpp"

namespace bitsmith::experiments {

/// Numbers a field takes, of a list: each of its elements.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   ///< `low` itself is not allowed
  bool high_open = false;  ///< likewise

  bool contains(double value) const;
  std::string text() const;  ///< "1 to 10", "above 0", "0 to below 1"; empty: any number
};

Range between(double low, double high);
Range from_up_to_below(double low, double high);
Range above_up_to(double low, double high);

/// An enumeration, by the position of its name in Field::choices.
struct Choice {
  int value = 0;
  std::function<void(int)> assign;
};

/// The variable behind a field.
using FieldValue = std::variant<bool*, int*, double*, std::string*, std::vector<int>*, std::vector<double>*,
                                std::vector<std::string>*, quant::Format*, std::vector<quant::Format>*,
                                Choice, std::vector<Constraint>*, std::vector<quant::LayerOverride>*>;

/// All that is to be said of a key of the configuration, once.
struct Field {
  std::string_view name;
  std::string_view meaning;
  std::string_view unit = "";
  Range range = {};
  std::vector<int> integers = {};         ///< the only numbers allowed, if not empty
  std::vector<std::string> choices = {};  ///< the only words allowed, if not empty
  std::optional<quant::Format> (*format_of)(std::string_view) = nullptr;  ///< of formats: by name
  std::string formats = {};                                               ///< and what it takes, for people
  std::size_t min_size = 0;                                               ///< of a list
  std::size_t max_size = std::numeric_limits<std::size_t>::max();
  bool required = false;
  std::vector<std::string_view> unless = {};  ///< dotted paths: where one is given, the field is not required
  bool shapes_result = true;  ///< false for what cannot change any number: part of no identity
  /// What an empty text or list means; a text of choices may then be empty, or nothing.
  std::string_view empty = "";

  std::string type_name(const FieldValue& value) const;  ///< "integer", "list of numbers", ...
  std::string allowed(const FieldValue& value) const;    ///< for messages: "an integer, 1 to 10", "sgd, adam"
};

/// What parsing, checking, describing and dumping do with the fields:
/// (visit | begin_group (...)* end_group)*, in the order in which a config is written.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void begin_group(std::string_view name, std::string_view meaning) = 0;
  virtual void end_group() = 0;
  virtual void visit(const Field& field, FieldValue value) = 0;
};

/// Visits an enumeration whose values are 0, 1, ... in the order of field.choices.
template <class Enum>
void visit_choice(FieldVisitor& visitor, const Field& field, Enum& value) {
  visitor.visit(field,
                Choice{static_cast<int>(value), [&value](int index) { value = static_cast<Enum>(index); }});
}

}  // namespace bitsmith::experiments
