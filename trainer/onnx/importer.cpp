// What the rules of all operators share.

#include "trainer/onnx/importer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using Axis = Atom::Axis;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

/// Names of layers are words of policies, tables and checkpoints.
std::string as_word(std::string name) {
  for (char& c : name)
    if (!is_word(c)) c = '_';
  constexpr std::size_t kLongest = 120;
  return name.size() > kLongest ? name.substr(name.size() - kLongest) : name;
}

/// PyTorch's scopes repeat what they are in: "/layer1/layer1.0/conv1/Conv" is layer1.0.conv1.
std::string scope_of(std::string_view name) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (end > begin) parts.emplace_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() > 1) parts.pop_back();  // the operator
  std::string scope;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i + 1 < parts.size() && parts[i + 1].starts_with(parts[i] + ".")) continue;
    scope += (scope.empty() ? "" : ".") + parts[i];
  }
  return scope;
}

bool is_module_path(std::string_view weight) {
  return weight.size() > 7 && weight.ends_with(".weight") && std::ranges::all_of(weight, is_word);
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> values;
  const auto copy = [&](auto typed) {
    for (const auto value : typed) values.push_back(static_cast<float>(value));
  };
  switch (tensor.type) {
    case ElementType::float32:
      copy(tensor.as<float>());
      break;
    case ElementType::float64:
      copy(tensor.as<double>());
      break;
    case ElementType::int64:
      copy(tensor.as<std::int64_t>());
      break;
    case ElementType::int32:
      copy(tensor.as<std::int32_t>());
      break;
    case ElementType::int8:
      copy(tensor.as<std::int8_t>());
      break;
    case ElementType::uint8:
    case ElementType::boolean:
      copy(tensor.as<std::uint8_t>());
      break;
    default:
      throw Unsupported{
          fmt::format("a constant of type {}; float32 is supported", element_type_name(tensor.type))};
  }
  return values;
}

}  // namespace

const ImportedValue& Importer::input(const onnx::Node& node, std::size_t index) const {
  if (!has_input(node, index)) throw Unsupported{fmt::format("it has no input {}", index)};
  return values_.at(node.inputs[index]);
}

bool Importer::has_input(const onnx::Node& node, std::size_t index) const {
  return index < node.inputs.size() && !node.inputs[index].empty();
}

std::vector<float> Importer::reals(const onnx::Node& node, std::size_t index) const {
  const ImportedValue& value = input(node, index);
  if (!value.constant) throw Unsupported{fmt::format("input {} is computed; a constant is supported", index)};
  return to_floats(value.tensor);
}

float Importer::scalar(const onnx::Node& node, std::size_t index) const {
  const std::vector<float> values = reals(node, index);
  if (values.size() != 1)
    throw Unsupported{fmt::format("input {} has {} values in place of one", index, values.size())};
  return values[0];
}

std::vector<std::int64_t> Importer::integers(const onnx::Node& node, std::size_t index) const {
  std::vector<std::int64_t> whole;
  const ImportedValue& value = input(node, index);
  if (!value.constant) throw Unsupported{fmt::format("input {} is computed; a constant is supported", index)};
  if (value.tensor.type == ElementType::int64) {
    const auto values = value.tensor.as<std::int64_t>();
    return {values.begin(), values.end()};
  }
  for (float x : to_floats(value.tensor)) whole.push_back(static_cast<std::int64_t>(x));
  return whole;
}

void Importer::give(const onnx::Node& node, ImportedValue value, std::size_t output) {
  if (output < node.outputs.size() && !node.outputs[output].empty())
    values_[node.outputs[output]] = std::move(value);
}

void Importer::give(const onnx::Node& node, int made, Layout layout) {
  ImportedValue value;
  value.node = made;
  value.layout = std::move(layout);
  give(node, std::move(value));
}

ImportedValue Importer::settled(const onnx::Node& node, std::size_t index) {
  ImportedValue value = input(node, index);
  if (value.constant)
    throw Unsupported{fmt::format("input {} is a constant; a computed tensor is expected", index)};
  Layout& layout = value.layout;
  for (std::size_t d = 0; d < layout.dims.size(); ++d) {
    std::vector<int> channels, others;
    for (int atom : layout.dims[d]) {
      const Axis axis = layout.atoms[static_cast<std::size_t>(atom)].axis;
      if (axis == Axis::channel) channels.push_back(atom);
      if (axis == Axis::height || axis == Axis::width) others.push_back(atom);
    }
    if (!channels.empty() && !others.empty()) {
      // Channel, row, column: the order of a flattened image.
      std::vector<int> wanted;
      for (const bool of_channels : {true, false})
        for (int i = 0; i < static_cast<int>(layout.atoms.size()); ++i) {
          const Axis axis = layout.atoms[static_cast<std::size_t>(i)].axis;
          if (axis != Axis::batch && (axis == Axis::channel) == of_channels) wanted.push_back(i);
        }
      std::vector<int> found = layout.dims[d];
      std::erase_if(found, [&](int i) {
        const Atom& atom = layout.atoms[static_cast<std::size_t>(i)];
        return atom.axis == Axis::batch && atom.size == 1;
      });
      if (found != wanted)
        throw Unsupported{
            "it reads an image flattened in another order than channel, row, column, or in part"};
      value.node = net_->flatten(name_for(node, "flatten"), value.node);
      Layout flat = Layout::features(net_->shape(value.node).channels, batch_);
      for (std::size_t before = 0; before < d; ++before)
        if (!layout.is_batch(static_cast<int>(before)))
          throw Unsupported{"it reads an image flattened in part"};
      while (flat.dims.size() < layout.dims.size())
        flat = flat.with_dim(static_cast<int>(d == 1 ? flat.dims.size() : 1));
      value.layout = flat;
      values_[node.inputs[index]] = value;
      return value;
    }
    if (channels.size() > 1 && !std::ranges::is_sorted(channels)) {
      std::vector<int> all;
      for (int i = 0; i < static_cast<int>(layout.atoms.size()); ++i)
        if (layout.atoms[static_cast<std::size_t>(i)].axis == Axis::channel) all.push_back(i);
      std::vector<int> sorted = channels;
      std::ranges::sort(sorted);
      // Two runs of atoms that changed places.
      const auto cut = std::ranges::find(channels, all.front());
      std::vector<int> rotated(cut, channels.end());
      rotated.insert(rotated.end(), channels.begin(), cut);
      if (sorted != all || rotated != all)
        throw Unsupported{"it reads channels in an order that is no shuffle"};
      std::int64_t groups = 1;
      for (auto atom = cut; atom != channels.end(); ++atom)
        groups *= layout.atoms[static_cast<std::size_t>(*atom)].size;
      value.node = net_->shuffle(name_for(node, "shuffle"), value.node, static_cast<int>(groups));
      const std::int64_t count = layout.channels();
      Layout plain = layout;
      std::ranges::sort(plain.dims[d]);
      value.layout = plain.with_channels(count);
      values_[node.inputs[index]] = value;
      return value;
    }
  }
  return value;
}

ImportedValue Importer::image(const onnx::Node& node, std::size_t index) {
  ImportedValue value = settled(node, index);
  if (!value.layout.is_image())
    throw Unsupported{fmt::format("its input of {} is no image (N,C,H,W or N,C,L) of the network's tensors",
                                  show(value.layout.shape()))};
  value.layout = value.layout.merged();
  return value;
}

Layout Importer::image_layout(int made, std::size_t rank) const {
  const quant::Shape shape = net_->shape(made);
  return rank == 4 ? Layout::image(shape, batch_) : Layout::sequence(shape, batch_);
}

std::string Importer::unique(std::string name) {
  if (name.empty()) name = "node";
  std::string tried = name;
  for (int i = 2; !names_.insert(tried).second; ++i) tried = fmt::format("{}_{}", name, i);
  return tried;
}

std::string Importer::name_for(const onnx::Node& node, std::string_view weight) {
  if (is_module_path(weight)) return unique(std::string(weight.substr(0, weight.size() - 7)));
  const std::string scope = node.name.find('/') == std::string::npos ? std::string() : scope_of(node.name);
  std::string op = node.op;
  std::ranges::transform(op, op.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool layer =
      node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul" || node.op == "BatchNormalization";
  // What the translation adds has a kind in place of a weight.
  const std::string suffix = layer ? ""
                             : weight.empty() || weight.find('.') != std::string_view::npos
                                 ? op
                                 : std::string(weight);
  if (!scope.empty()) return unique(as_word(suffix.empty() ? scope : scope + "." + suffix));
  const std::string base = !node.name.empty()     ? node.name
                           : node.outputs.empty() ? op
                                                  : op + "_" + node.outputs[0];
  return unique(as_word(suffix.empty() || suffix == op ? base : base + "." + suffix));
}

std::string Importer::initializer(const onnx::Node& node, std::size_t index) const {
  return has_input(node, index) ? input(node, index).weight : std::string();
}

void Importer::set_numbers(const std::string& name, std::vector<float> values, const std::string& source) {
  result_.numbers[name] = std::move(values);
  if (!source.empty()) parameters_of_initializer_[source].push_back(name);
}

/// Parameters that were made of one initializer in one way.
void Importer::note_shared_parameters() {
  for (const auto& [initializer, names] : parameters_of_initializer_) {
    std::vector<std::vector<std::string>> groups;
    for (const std::string& name : names) {
      const auto alike = std::ranges::find_if(groups, [&](const std::vector<std::string>& group) {
        return result_.numbers.at(group.front()) == result_.numbers.at(name);
      });
      if (alike == groups.end())
        groups.push_back({name});
      else
        alike->push_back(name);
    }
    for (auto& group : groups)
      if (group.size() > 1) result_.info.shared_parameters.push_back(std::move(group));
  }
}

bool Importer::is_read_once(int made) const {
  int reads = 0;
  for (const auto& [name, value] : values_) {
    if (value.constant || value.node != made) continue;
    const auto found = readers_.find(name);
    reads += found == readers_.end() ? 0 : found->second;
  }
  return reads == 1;
}

Tensor Importer::of_one_image(const Tensor& constant, const Layout& layout) const {
  const int batch = layout.batch_dim();
  const int at = batch - static_cast<int>(layout.dims.size() - constant.dims.size());
  if (constant.dims.size() > layout.dims.size() || at < 0 || !layout.is_batch(batch)) return constant;
  const auto where = static_cast<std::size_t>(at);
  if (constant.dims[where] == 1 || constant.dims[where] != layout.batch() ||
      std::ranges::any_of(constant.dims.begin(), constant.dims.begin() + at, [](auto d) { return d != 1; }))
    return constant;
  const std::size_t each = constant.bytes.size() / static_cast<std::size_t>(layout.batch());
  for (std::size_t i = each; i < constant.bytes.size(); ++i)
    if (constant.bytes[i] != constant.bytes[i - each])
      throw Unsupported{fmt::format("a constant of {} that is not the same for each image of the batch",
                                    show(constant.dims))};
  Tensor one;
  one.type = constant.type;
  one.dims = constant.dims;
  one.dims[where] = 1;
  one.bytes.assign(constant.bytes.begin(), constant.bytes.begin() + static_cast<std::ptrdiff_t>(each));
  return one;
}

std::vector<float> Importer::per_channel(const Tensor& whole, const Layout& layout) const {
  const Tensor constant = of_one_image(whole, layout);
  const std::vector<float> values = to_floats(constant);
  const auto channels = static_cast<std::size_t>(layout.channels());
  if (values.size() == 1) return std::vector<float>(channels, values[0]);
  const int dim = layout.channel_dim();
  if (dim < 0 || constant.dims.size() > layout.dims.size() || values.size() != channels) return {};
  const auto at = static_cast<std::ptrdiff_t>(constant.dims.size()) -
                  (static_cast<std::ptrdiff_t>(layout.dims.size()) - dim);
  if (at < 0 || constant.dims[static_cast<std::size_t>(at)] != static_cast<std::int64_t>(channels)) return {};
  return values;
}

std::vector<float> Importer::per_element(const Tensor& given, const Layout& layout,
                                         const quant::Shape& shape) const {
  const Tensor constant = of_one_image(given, layout);
  const Dims whole = layout.shape();
  if (constant.dims.size() > whole.size()) return {};
  Dims dims(whole.size() - constant.dims.size(), 1);
  dims.insert(dims.end(), constant.dims.begin(), constant.dims.end());
  for (std::size_t d = 0; d < dims.size(); ++d)
    if (dims[d] != 1 && dims[d] != whole[d]) return {};
  const std::vector<float> values = to_floats(constant);
  // Where each atom moves in the network's memory, and in the constant.
  std::vector<std::int64_t> ours(layout.atoms.size()), theirs(layout.atoms.size(), 0);
  std::int64_t stride = 1;
  for (std::size_t i = layout.atoms.size(); i-- > 0; stride *= layout.atoms[i].size) ours[i] = stride;
  stride = 1;
  for (std::size_t d = dims.size(); d-- > 0; stride *= dims[d]) {
    if (dims[d] == 1) continue;
    std::int64_t inner = stride;
    for (std::size_t k = layout.dims[d].size(); k-- > 0;) {
      const auto atom = static_cast<std::size_t>(layout.dims[d][k]);
      if (layout.atoms[atom].axis == Axis::batch && layout.atoms[atom].size > 1) return {};
      theirs[atom] = inner;
      inner *= layout.atoms[atom].size;
    }
  }
  std::vector<float> result(static_cast<std::size_t>(shape.elements()));
  std::vector<std::int64_t> index(layout.atoms.size(), 0);
  for (float& value : result) {
    std::int64_t from = 0;
    for (std::size_t i = 0; i < index.size(); ++i) from += index[i] * theirs[i];
    value = values[static_cast<std::size_t>(from)];
    for (std::size_t i = index.size(); i-- > 0;) {
      if (++index[i] < layout.atoms[i].size) break;
      index[i] = 0;
    }
  }
  return result;
}

}  // namespace bitsmith::trainer::onnx
