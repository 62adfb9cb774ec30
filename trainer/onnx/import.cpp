#include "trainer/onnx/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/onnx/import_input.hpp"
#include "trainer/onnx/import_patterns.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr Importer::Row kRows[] = {
    {"Conv", &Importer::conv},
    {"Gemm", &Importer::gemm},
    {"MatMul", &Importer::matmul},
    {"BatchNormalization", &Importer::batch_norm},
    {"LayerNormalization", &Importer::layer_norm},
    {"Add", &Importer::add},
    {"Sub", &Importer::subtract},
    {"Mul", &Importer::multiply},
    {"Div", &Importer::divide},
    {"Relu", &Importer::unary},
    {"LeakyRelu", &Importer::unary},
    {"Sigmoid", &Importer::unary},
    {"HardSigmoid", &Importer::unary},
    {"HardSwish", &Importer::unary},
    {"Gelu", &Importer::unary},
    {"Erf", &Importer::unary},
    {"Clip", &Importer::clip},
    {"PRelu", &Importer::prelu},
    {"Softmax", &Importer::softmax},
    {"QuantizeLinear", &Importer::quantize},
    {"DequantizeLinear", &Importer::dequantize},
    {"Identity", &Importer::identity},
    {"Dropout", &Importer::identity},
    {"Cast", &Importer::identity},
    {"Shape", &Importer::shape_of},
    {"Reshape", &Importer::reshape},
    {"Flatten", &Importer::flatten},
    {"Transpose", &Importer::transpose},
    {"Squeeze", &Importer::squeeze},
    {"Unsqueeze", &Importer::unsqueeze},
    {"Concat", &Importer::concat},
    {"Split", &Importer::split},
    {"Slice", &Importer::slice},
    {"Gather", &Importer::gather},
    {"Pad", &Importer::pad},
    {"Resize", &Importer::resize},
    {"Upsample", &Importer::resize},
    {"Expand", &Importer::expand},
    {"MaxPool", &Importer::max_pool},
    {"AveragePool", &Importer::average_pool},
    {"GlobalAveragePool", &Importer::global_average_pool},
    {"ReduceMean", &Importer::reduce_mean},
};

constexpr std::int64_t kMostFolded = std::int64_t{1} << 27;  // of one constant: above any layer's weights

/// Operators that leave integers the integers that they are.
constexpr std::string_view kMoves[] = {"DequantizeLinear", "MaxPool", "Identity",  "Reshape", "Flatten",
                                       "Transpose",        "Squeeze", "Unsqueeze", "Expand",  "Shape"};

const Importer::Row* find_row(const Node& node) {
  if (!node.domain.empty()) return nullptr;
  const auto row = std::ranges::find(kRows, node.op, &Importer::Row::op);
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

Importer::Importer(const Model& model, std::string source, std::optional<quant::Shape> input)
    : model_(model), graph_(model.graph), source_(std::move(source)), wanted_input_(input) {}

std::vector<const onnx::Node*> Importer::live_nodes() {
  std::set<std::string_view> wanted;
  for (const Value& output : graph_.outputs) wanted.insert(output.name);
  std::vector<const Node*> live;
  for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
    if (std::ranges::none_of(node->outputs, [&](const std::string& name) { return wanted.contains(name); }))
      continue;
    live.push_back(&*node);
    for (const std::string& name : node->inputs) wanted.insert(name);
  }
  std::ranges::reverse(live);
  recognise_patterns(graph_, live, recognised_);
  return live;
}

ImportedNetwork Importer::run() {
  if (graph_.inputs.size() != 1 || graph_.outputs.size() != 1)
    throw base::UserError(fmt::format("{}: it has {} inputs and {} outputs; a network has one of each",
                                      source_, graph_.inputs.size(), graph_.outputs.size()));
  const std::vector<const Node*> live = live_nodes();
  const ImportedInput seen = imported_input(graph_.inputs[0], live, source_, wanted_input_);
  batch_ = seen.layout.batch();
  net_ = std::make_unique<quant::NetworkBuilder>(
      graph_.name.empty() ? std::filesystem::path(source_).stem().string() : graph_.name, seen.shape);
  names_.insert("input");
  ImportedValue images;
  images.node = net_->input();
  images.layout = seen.layout;
  result_.input_layout = images.layout;
  values_[graph_.inputs[0].name] = std::move(images);
  for (const auto& [name, tensor] : graph_.initializers) {
    ImportedValue value;
    value.constant = true;
    value.tensor = tensor;
    value.weight = name;
    values_[name] = std::move(value);
  }
  for (const Node* node : live)
    for (const std::string& name : node->inputs) {
      ++readers_[name];
      consumers_[name].push_back(node);
    }
  ++readers_[graph_.outputs[0].name];

  // Constants first: quantizers depend on which weights are integers.
  std::vector<std::string> problems;
  std::vector<const Node*> computed;
  const auto attempt = [&](const Node& node) {
    if (const std::optional<std::string> why = why_not(node))
      problems.push_back(why->starts_with(node.title()) ? *why : fmt::format("{}: {}", node.title(), *why));
    stand_in(node);
  };
  for (const Node* node : live)
    if (is_constant_at_heart(*node))
      attempt(*node);
    else
      computed.push_back(node);
  find_quantizers(computed);
  for (const Node* node : computed) attempt(*node);
  if (!problems.empty()) {
    std::string text = fmt::format("{}: {} of its nodes cannot be imported:", source_, problems.size());
    for (const std::string& problem : problems) text += "\n  " + problem;
    throw base::UserError(text);
  }
  const auto output = values_.find(graph_.outputs[0].name);
  if (output == values_.end() || output->second.constant)
    throw base::UserError(
        fmt::format("{}: its output '{}' does not depend on its input", source_, graph_.outputs[0].name));
  Node last;
  last.inputs = {graph_.outputs[0].name};
  last.op = "output";
  const ImportedValue logits = settled(last, 0);
  if (!logits.layout.is_batch_outermost())
    throw base::UserError(fmt::format("{}: its output '{}' is {}, whose first dimension is not the batch",
                                      source_, graph_.outputs[0].name, show(logits.layout.shape())));
  if (logits.levels)
    throw base::UserError(
        fmt::format("{}: its output '{}' is integers of a QuantizeLinear; real numbers are "
                    "supported",
                    source_, graph_.outputs[0].name));
  result_.info = std::move(*net_).build();
  if (logits.node != static_cast<int>(result_.info.nodes.size()) - 1 || logits.node == 0)
    throw base::UserError(fmt::format("{}: its output is no node's own result", source_));
  keep_exact_weight_scales();
  result_.input_name = graph_.inputs[0].name;
  result_.output_name = graph_.outputs[0].name;
  result_.output_layout = logits.layout;
  result_.metadata = model_.metadata;
  note_shared_parameters();
  return std::move(result_);
}

bool Importer::has_rule(const Node& node) { return find_row(node) != nullptr; }

void Importer::translate(const Node& node) {
  const bool dequantizes = node.op == "DequantizeLinear";
  if (dequantizes || node.op == "QuantizeLinear") check_scales(node);
  for (const std::string& name : node.inputs)
    if (!name.empty() && values_.at(name).levels && std::ranges::find(kMoves, node.op) == std::end(kMoves))
      throw Unsupported{"it reads integers of a QuantizeLinear; a DequantizeLinear must be between them"};
  if (!dequantizes && fold(node)) return;
  const Row* row = find_row(node);
  if (row == nullptr) throw Unsupported{kConstantsAlone};
  (this->*row->rule)(node);
}

bool Importer::fold(const Node& node) {
  std::vector<const Tensor*> inputs;
  for (const std::string& name : node.inputs) {
    const auto found = values_.find(name);
    if (!name.empty() && !found->second.constant) return false;
    inputs.push_back(name.empty() ? nullptr : &found->second.tensor);
  }
  if (find_operator(node.domain, node.op) == nullptr) return false;
  std::vector<Tensor> outputs = compute_node(node, model_.opset, inputs, kMostFolded, &folding_);
  for (std::size_t i = 0; i < outputs.size() && i < node.outputs.size(); ++i) {
    ImportedValue value;
    value.constant = true;
    value.tensor = std::move(outputs[i]);
    // A transposed, reshaped or copied weight is still that weight.
    if (i == 0 && !node.inputs.empty() && !node.inputs[0].empty()) {
      const ImportedValue& from = values_.at(node.inputs[0]);
      value.weight = from.weight;
      if (node.op == "Transpose" || node.op == "Identity") {
        value.bits = from.bits;
        value.scales = from.scales;
      }
    }
    if (value.weight.empty()) value.weight = node.outputs[i];
    give(node, std::move(value), i);
  }
  return true;
}

ImportedNetwork import_model(const Model& model, const std::string& source,
                             std::optional<quant::Shape> input) {
  return Importer(model, source, input).run();
}

ImportedNetwork import_file(const std::filesystem::path& file, std::optional<quant::Shape> input) {
  return import_model(read_model(file), file.string(), input);
}

void put_numbers(const ImportedNetwork& imported, Network& network) {
  const auto put = [&](const std::string& name, std::vector<float>& to) {
    const auto found = imported.numbers.find(name);
    base::require(found != imported.numbers.end() && found->second.size() == to.size(),
                  "an imported network lacks numbers of its own");
    to = found->second;
  };
  for (Parameter& parameter : network.parameters()) put(parameter.name, parameter.value);
  for (Buffer& buffer : network.buffers())
    if (imported.numbers.contains(buffer.name)) put(buffer.name, buffer.value);
}

}  // namespace bitsmith::trainer::onnx
