// What is said of nodes that cannot be imported, and how the translation goes on behind them: everything that
// stands in a network's way is to be told at once, and nothing that is only there because of something else.

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Words that an attribute may be, whatever the node reads.
struct Word {
  std::string_view op, attribute, allowed;
};
constexpr Word kWords[] = {
    {"Resize", "mode", "nearest"},
    {"Upsample", "mode", "nearest"},
    {"Pad", "mode", "constant"},
    {"Gelu", "approximate", "none"},
};

/// Operators whose first output is like their first input, other ones than networks have among them.
constexpr std::string_view kElements[] = {
    "Abs",  "Acos", "Acosh", "Asin",     "Asinh",      "Atan",  "Atanh", "Ceil",
    "Celu", "Clip", "Cos",   "Cosh",     "Elu",        "Exp",   "Floor", "Gelu",
    "Log",  "Mish", "Neg",   "PRelu",    "Reciprocal", "Round", "Selu",  "Shrink",
    "Sign", "Sin",  "Sinh",  "Softplus", "Softsign",   "Sqrt",  "Tan",   "Tanh"};
constexpr std::string_view kNorms[] = {"BatchNormalization",
                                       "GroupNormalization",
                                       "InstanceNormalization",
                                       "LayerNormalization",
                                       "LpNormalization",
                                       "LRN",
                                       "Hardmax",
                                       "LogSoftmax",
                                       "Softmax"};

bool is_among(std::string_view op, std::span<const std::string_view> ops) {
  return std::ranges::find(ops, op) != ops.end();
}

std::optional<std::string> wrong_word(const Node& node) {
  for (const Word& word : kWords)
    if (node.op == word.op && node.domain.empty())
      if (const std::string got = node.text(word.attribute, word.allowed); got != word.allowed)
        return fmt::format("{}: got '{}', supported is {}", word.attribute, printable(got), word.allowed);
  return std::nullopt;
}

}  // namespace

/// Why a node cannot be imported; translates it where it can.
std::optional<std::string> Importer::why_not(const onnx::Node& node) {
  const bool known = has_rule(node);
  if (!known && find_operator(node.domain, node.op) == nullptr)
    return fmt::format("this operator is not known{}",
                       node.domain.empty() ? "" : " (domain " + printable(node.domain) + ")");
  try {
    const bool folds = is_constant_at_heart(node);
    const std::optional<std::string> wrong = folds ? std::nullopt : wrong_word(node);
    if (!reads_stand_in(node)) {
      try {
        translate(node);
        return std::nullopt;
      } catch (const Unsupported& unsupported) {
        return wrong ? wrong : unsupported.why;
      }
    }
    if (!known && !folds) return kConstantsAlone;
    return wrong;
  } catch (const base::UserError& error) {
    return error.what();
  }
}

bool Importer::reads_stand_in(const onnx::Node& node) const {
  return std::ranges::any_of(
      node.inputs, [&](const std::string& name) { return !name.empty() && !values_.contains(name); });
}

/// Whether a node depends on constants and on shapes alone.
bool Importer::is_constant_at_heart(const onnx::Node& node) const {
  return std::ranges::all_of(node.inputs, [&](const std::string& name) {
    const auto value = values_.find(name);
    return name.empty() || constant_stand_ins_.contains(name) ||
           (value != values_.end() && value->second.constant);
  });
}

/// Outputs that a node did not get: where they are like its input, that stands in; behind others only those
/// nodes are judged that no input could help.
void Importer::stand_in(const onnx::Node& node) {
  const bool constant = node.op == "Shape" || node.op == "Size" || is_constant_at_heart(node);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const std::string& name = node.outputs[i];
    if (name.empty() || values_.contains(name)) continue;
    if (i == 0 && !node.inputs.empty() && node.domain.empty() &&
        (is_among(node.op, kElements) || is_among(node.op, kNorms)))
      if (const auto like = values_.find(node.inputs[0]); like != values_.end() && !like->second.constant) {
        ImportedValue same = like->second;
        same.levels = node.op == "QuantizeLinear";
        if (same.levels) same.quantizer = {};
        values_[name] = std::move(same);
        continue;
      }
    if (constant) constant_stand_ins_.insert(name);
  }
}

}  // namespace bitsmith::trainer::onnx
