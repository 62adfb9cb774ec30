#include "trainer/onnx/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"
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

std::vector<const onnx::Node*> Importer::live_nodes() const {
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
  return live;
}

quant::Shape Importer::input_shape() const {
  const Value& value = graph_.inputs[0];
  const auto refuse = [&](const std::string& why) {
    throw base::UserError(fmt::format("{}: input '{}': {}", source_, value.name, why));
  };
  if (value.type != ElementType::float32)
    refuse(fmt::format("its type is {}, allowed: float32", element_type_name(value.type)));
  if (!value.has_shape && !wanted_input_) refuse("it has no shape; give one");
  const std::size_t rank = value.has_shape ? value.dims.size() : 4;
  if (rank < 2 || rank > 4)
    refuse(fmt::format("it has {} dimensions, allowed: 2 (N,F), 3 (N,C,L), 4 (N,C,H,W)", rank));
  Dims dims(4, 1);
  for (std::size_t i = 1; i < rank && value.has_shape; ++i) {
    const std::size_t to = rank == 3 && i == 2 ? 3 : i;
    dims[to] = value.dims[i];
  }
  if (wanted_input_) {
    const Dims wanted = {1, wanted_input_->channels, wanted_input_->height, wanted_input_->width};
    for (std::size_t i = 1; i < 4; ++i) {
      if (!value.has_shape || dims[i] < 0) dims[i] = wanted[i];
      if (dims[i] != wanted[i])
        refuse(fmt::format("it is {}, but what is to be read is {}x{}x{}", show(value.dims), wanted[1],
                           wanted[2], wanted[3]));
    }
  }
  for (std::size_t i = 1; i < 4; ++i)
    if (dims[i] < 1 || dims[i] > quant::NetworkBuilder::kMostElements)
      refuse(
          fmt::format("its shape is {}: only the first dimension, the batch, may be open", show(value.dims)));
  return {static_cast<int>(dims[1]), static_cast<int>(dims[2]), static_cast<int>(dims[3])};
}

ImportedNetwork Importer::run() {
  if (graph_.inputs.size() != 1 || graph_.outputs.size() != 1)
    throw base::UserError(fmt::format("{}: it has {} inputs and {} outputs; a network has one of each",
                                      source_, graph_.inputs.size(), graph_.outputs.size()));
  const quant::Shape shape = input_shape();
  const std::size_t rank = graph_.inputs[0].has_shape ? graph_.inputs[0].dims.size() : 4;
  net_ = std::make_unique<quant::NetworkBuilder>(
      graph_.name.empty() ? std::filesystem::path(source_).stem().string() : graph_.name, shape);
  names_.insert("input");
  ImportedValue images;
  images.node = net_->input();
  images.layout = rank == 2   ? Layout::features(shape.channels)
                  : rank == 3 ? Layout::sequence(shape)
                              : Layout::image(shape);
  result_.input_layout = images.layout;
  values_[graph_.inputs[0].name] = std::move(images);
  for (const auto& [name, tensor] : graph_.initializers) {
    ImportedValue value;
    value.constant = true;
    value.tensor = tensor;
    value.weight = name;
    values_[name] = std::move(value);
  }
  const std::vector<const Node*> live = live_nodes();
  for (const Node* node : live)
    for (const std::string& name : node->inputs) {
      ++readers_[name];
      consumers_[name].push_back(node);
    }
  ++readers_[graph_.outputs[0].name];

  // Constants first: quantizers depend on which weights are integers.
  std::vector<std::string> problems;
  std::vector<const Node*> computed;
  for (const Node* node : live)
    if (reads_constants(*node))
      attempt(*node, problems);
    else
      computed.push_back(node);
  quantizes_ = std::ranges::any_of(computed, [&](const Node* node) { return is_quantized_layer(*node); });
  for (const Node* node : computed) attempt(*node, problems);
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
  for (const auto& [weight, names] : layers_of_weight_) {
    if (names.size() < 2) continue;
    std::vector<int> layers;
    for (const std::string& name : names) layers.push_back(result_.info.find_layer(name));
    result_.info.shared_weights.push_back(std::move(layers));
  }
  return std::move(result_);
}

bool Importer::reads_constants(const Node& node) const {
  return std::ranges::all_of(node.inputs, [&](const std::string& name) {
    const auto found = values_.find(name);
    return name.empty() || (found != values_.end() && found->second.constant);
  });
}

void Importer::attempt(const Node& node, std::vector<std::string>& problems) {
  if (find_row(node) == nullptr && find_operator(node.domain, node.op) == nullptr) {
    problems.push_back(fmt::format("{}: this operator is not known{}", node.title(),
                                   node.domain.empty() ? "" : " (domain " + node.domain + ")"));
    return;
  }
  // What reads the output of something unsupported cannot be judged.
  if (std::ranges::any_of(node.inputs,
                          [&](const std::string& name) { return !name.empty() && !values_.contains(name); }))
    return;
  try {
    translate(node);
  } catch (const Unsupported& unsupported) {
    problems.push_back(fmt::format("{}: {}", node.title(), unsupported.why));
  } catch (const base::UserError& error) {
    const std::string_view why = error.what();  // of a node that was computed with its title
    problems.push_back(why.starts_with(node.title()) ? std::string(why)
                                                     : fmt::format("{}: {}", node.title(), why));
  }
}

void Importer::translate(const Node& node) {
  const bool dequantizes = node.op == "DequantizeLinear";
  if (dequantizes || node.op == "QuantizeLinear") check_scales(node);
  for (const std::string& name : node.inputs)
    if (!name.empty() && values_.at(name).levels && std::ranges::find(kMoves, node.op) == std::end(kMoves))
      throw Unsupported{"it reads integers of a QuantizeLinear; a DequantizeLinear must be between them"};
  if (!dequantizes && fold(node)) return;
  const Row* row = find_row(node);
  if (row == nullptr) throw Unsupported{"this operator is known for constants alone"};
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
