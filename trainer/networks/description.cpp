#include "trainer/networks/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/integer_joins.hpp"
#include "trainer/networks/description_values.hpp"

namespace bitsmith::trainer {
namespace {

using quant::Op;

constexpr std::size_t kMostLayers = 10'000, kLongestName = 200;

/// What each kind of layer may say, beside `name` and `from`.
struct LayerKeys {
  Op op;
  std::vector<std::string> keys;
};
const std::vector<LayerKeys>& layer_keys() {
  static const std::vector<LayerKeys> rows = {
      {Op::conv, {"out", "kernel", "stride", "pad", "dilation", "groups", "bias"}},
      {Op::linear, {"out", "bias"}},
      {Op::batch_norm, {"epsilon"}},
      {Op::relu, {}},
      {Op::relu6, {}},
      {Op::max_pool, {"kernel", "stride", "pad", "dilation"}},
      {Op::average_pool, {"kernel", "stride", "pad", "dilation", "counts_padding"}},
      {Op::global_average_pool, {}},
      {Op::add, {}},
      {Op::flatten, {}},
      {Op::quantize, {}},
      {Op::layer_norm, {"epsilon"}},
      {Op::gelu, {}},
      {Op::softmax, {"groups"}},
      {Op::matmul, {"heads", "transpose", "factor"}},
      {Op::position, {}},
      {Op::function, {"of", "alpha", "beta"}},
      {Op::prelu, {}},
      {Op::scale, {}},
      {Op::multiply, {}},
      {Op::concat, {}},
      {Op::slice, {"begin", "out"}},
      {Op::shuffle, {"groups"}},
      {Op::pad, {"pad", "value"}},
      {Op::resize, {"stride"}},
  };
  return rows;
}

std::size_t inputs_of(Op op) { return quant::has_two_inputs(op) ? 2 : 1; }

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}
constexpr const char* kNames = "letters, digits, '.', '_' and '-'";

class Reader {
 public:
  Reader(std::string_view text, const std::string& source)
      : document_(base::parse_yaml(text, source, &repeated_)) {
    for (const base::YamlProblem& problem : repeated_) problems_.add(problem.mark, "", problem.message);
  }

  NetworkDescription run() {
    NetworkDescription description;
    description.source = document_.source;
    const base::YamlNode& root = document_.root;
    if (!root.is_map()) {
      problems_.add(root.mark, "", "got " + root.described() + ", allowed: a map of name and layers");
    } else {
      problems_.check_keys(root, "", {"name", "layers"});
      description.name = network_name(root);
      read_layers(root, description);
    }
    problems_.throw_if_any(document_);
    return description;
  }

 private:
  std::string network_name(const base::YamlNode& root) {
    const base::YamlNode* node = root.find("name");
    if (node == nullptr) {
      problems_.add(root.mark, "name", "is required: what policies and results call the network");
      return {};
    }
    if (!node->is_scalar() || !is_name(node->text))
      problems_.add(node->mark, "name", fmt::format("got {}, allowed: {}", node->described(), kNames));
    return node->text;
  }

  void read_layers(const base::YamlNode& root, NetworkDescription& description) {
    const base::YamlNode* layers = root.find("layers");
    if (layers == nullptr || !layers->is_sequence() || layers->items.empty() ||
        layers->items.size() > kMostLayers)
      return problems_.add(
          layers == nullptr ? root.mark : layers->mark, "layers",
          layers == nullptr
              ? std::string("is required: a list of layers")
              : fmt::format("got {}, allowed: a list of 1 to {} layers",
                            layers->is_sequence() ? fmt::format("{} layers", layers->items.size())
                                                  : layers->described(),
                            kMostLayers));
    collect_names(layers->items);
    for (std::size_t i = 0; i < layers->items.size(); ++i)
      description.layers.push_back(read_layer(layers->items[i], static_cast<int>(i)));
    refuse_unread(description.layers);
  }

  /// The one entry of an item, or null.
  static const base::YamlEntry* entry_of(const base::YamlNode& item) {
    return item.is_map() && item.entries.size() == 1 ? &item.entries.front() : nullptr;
  }

  /// Of all layers beforehand, so that a name of a later layer is known as one.
  void collect_names(const std::vector<base::YamlNode>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const base::YamlEntry* entry = entry_of(items[i]);
      const base::YamlNode* name = entry == nullptr ? nullptr : entry->value.find("name");
      names_.push_back(name != nullptr && name->is_scalar() ? name->text
                       : entry == nullptr                   ? std::string()
                                                            : fmt::format("{}{}", entry->key, i));
    }
  }

  DescribedLayer read_layer(const base::YamlNode& item, int index) {
    DescribedLayer layer;
    layer.mark = item.mark;
    layer.place = fmt::format("layers[{}]", index);
    const base::YamlEntry* entry = entry_of(item);
    std::vector<std::string> kinds;
    for (const LayerKeys& row : layer_keys()) kinds.emplace_back(quant::op_name(row.op));
    if (entry == nullptr) {
      problems_.add(item.mark, layer.place,
                    fmt::format("got {}, allowed: one layer, e.g. relu: {{}}",
                                item.is_map() ? fmt::format("a map of {} keys", item.entries.size())
                                              : item.described()));
      return layer;
    }
    const auto row = std::ranges::find_if(
        layer_keys(), [&](const LayerKeys& keys) { return quant::op_name(keys.op) == entry->key; });
    if (row == layer_keys().end()) {
      problems_.add(entry->key_mark, layer.place,
                    fmt::format("got '{}', allowed: {}{}", entry->key, base::join_names(kinds),
                                base::did_you_mean(entry->key, kinds)));
      return layer;
    }
    layer.mark = entry->key_mark;
    layer.place += "." + entry->key;
    layer.op = row->op;
    const base::YamlNode& values = entry->value;
    if (!values.is_map() && !values.is_null()) {
      problems_.add(values.mark, layer.place, "got " + values.described() + ", allowed: a map of keys");
      return layer;
    }
    std::vector<std::string> keys = {"name", "from"};
    keys.insert(keys.end(), row->keys.begin(), row->keys.end());
    problems_.check_keys(values, layer.place, keys);
    check_name(values, layer, index);
    read_inputs(values, layer, index);
    read_layer_values(values, row->keys, layer, problems_);
    return layer;
  }

  void check_name(const base::YamlNode& values, DescribedLayer& layer, int index) {
    layer.name = names_[static_cast<std::size_t>(index)];
    const base::YamlNode* node = values.find("name");
    const base::YamlMark mark = node == nullptr ? layer.mark : node->mark;
    const std::string place = layer.place + ".name";
    if (node != nullptr && (!node->is_scalar() || !is_name(node->text))) {
      problems_.add(mark, place, fmt::format("got {}, allowed: {}", node->described(), kNames));
    } else if (layer.name == "input") {
      problems_.add(mark, place, "'input' is the network's input; choose another name");
    } else if (!taken_.insert(layer.name).second) {
      problems_.add(mark, place, fmt::format("two layers are named '{}'; choose another name", layer.name));
    }
  }

  /// The index of an earlier layer by name.
  int earlier(const base::YamlNode& node, const std::string& place, int index) {
    if (node.is_scalar() && node.text == "input") return DescribedLayer::kInput;
    const auto end = names_.begin() + index;
    const auto found = node.is_scalar() ? std::find(names_.begin(), end, node.text) : end;
    if (found != end && !found->empty()) return static_cast<int>(found - names_.begin());
    std::vector<std::string> known = {"input"};
    known.insert(known.end(), names_.begin(), end);
    const bool later = node.is_scalar() && std::find(end, names_.end(), node.text) != names_.end();
    problems_.add(node.mark, place,
                  later ? fmt::format("'{}' is not above this layer: a layer reads those above it", node.text)
                        : fmt::format("got {}, allowed: input, or the name of a layer above{}",
                                      node.described(), base::did_you_mean(node.text, known)));
    return DescribedLayer::kInput;
  }

  void read_inputs(const base::YamlNode& values, DescribedLayer& layer, int index) {
    const base::YamlNode* node = values.find("from");
    const std::string place = layer.place + ".from";
    const std::size_t wanted = inputs_of(layer.op);
    if (node == nullptr && wanted == 1) {
      layer.from = {index == 0 ? DescribedLayer::kInput : index - 1};
    } else if (node != nullptr && node->is_scalar() && wanted == 1) {
      layer.from = {earlier(*node, place, index)};
    } else if (node != nullptr && node->is_sequence() && node->items.size() == wanted) {
      for (std::size_t k = 0; k < wanted; ++k)
        layer.from.push_back(earlier(node->items[k], fmt::format("{}[{}]", place, k), index));
    } else {
      problems_.add(node == nullptr ? layer.mark : node->mark, place,
                    fmt::format("{}, allowed: {}",
                                node == nullptr       ? std::string("is required")
                                : node->is_sequence() ? fmt::format("got {} names", node->items.size())
                                                      : "got " + node->described(),
                                wanted == 1 ? "the name of a layer above, or input"
                                            : "a list of two names of layers above, or input"));
      layer.from.assign(wanted, DescribedLayer::kInput);
    }
    for (int from : layer.from) read_.insert(from);
  }

  void refuse_unread(const std::vector<DescribedLayer>& layers) {
    if (problems_.any()) return;  // they may be why
    for (std::size_t i = 0; i + 1 < layers.size(); ++i)
      if (!read_.contains(static_cast<int>(i)))
        problems_.add(layers[i].mark, layers[i].place,
                      fmt::format("no layer reads '{}', and it is not the last one", layers[i].name));
    if (!read_.contains(DescribedLayer::kInput))
      problems_.add(layers.front().mark, layers.front().place, "no layer reads the network's input");
  }

  std::vector<base::YamlProblem> repeated_;
  base::YamlDocument document_;
  DescriptionProblems problems_;
  std::vector<std::string> names_;  ///< of all layers
  std::set<std::string> taken_;
  std::set<int> read_;
};

int add_layer(quant::NetworkBuilder& net, const DescribedLayer& layer, const std::vector<int>& nodes,
              int classes) {
  const auto node = [&](std::size_t k) {
    const int from = layer.from[k];
    return from == DescribedLayer::kInput ? net.input() : nodes[static_cast<std::size_t>(from)];
  };
  const int from = node(0), out = layer.out == DescribedLayer::kClasses ? classes : layer.out;
  switch (layer.op) {
    case Op::conv:
      return net.conv(layer.name, from, out, layer.window, layer.groups, layer.bias);
    case Op::linear:
      if (net.shape(from).pixels() != 1)
        throw base::UserError(
            fmt::format("{}: a linear layer reads features, got {}x{} pixels: put a flatten or a "
                        "global_average_pool before it",
                        layer.name, net.shape(from).height, net.shape(from).width));
      return net.linear(layer.name, from, out, layer.bias);
    case Op::batch_norm:
      return net.batch_norm(layer.name, from, layer.epsilon);
    case Op::relu:
      return net.relu(layer.name, from);
    case Op::relu6:
      return net.relu6(layer.name, from);
    case Op::max_pool:
      return net.max_pool(layer.name, from, layer.window);
    case Op::average_pool:
      return net.average_pool(layer.name, from, layer.window, layer.counts_padding);
    case Op::global_average_pool:
      return net.global_average_pool(layer.name, from);
    case Op::add:
      return net.add(layer.name, from, node(1));
    case Op::flatten:
      return net.flatten(layer.name, from);
    case Op::quantize:
      return net.quantize(layer.name, from);
    case Op::layer_norm:
      return net.layer_norm(layer.name, from, layer.epsilon);
    case Op::gelu:
      return net.gelu(layer.name, from);
    case Op::softmax:
      return net.softmax(layer.name, from, layer.groups);
    case Op::matmul:
      return net.matmul(layer.name, from, node(1), layer.groups, layer.transpose, layer.factor);
    case Op::position:
      return net.position(layer.name, from);
    case Op::function:
      return net.function(layer.name, from, layer.function, layer.alpha, layer.beta);
    case Op::prelu:
      return net.prelu(layer.name, from);
    case Op::scale:
      return net.scale(layer.name, from);
    case Op::multiply:
      return net.multiply(layer.name, from, node(1));
    case Op::concat:
      return net.concat(layer.name, from, node(1));
    case Op::slice:
      return net.slice(layer.name, from, layer.begin, out);
    case Op::shuffle:
      return net.shuffle(layer.name, from, layer.groups);
    case Op::pad:
      return net.pad(layer.name, from, layer.window.pad_top, layer.window.pad_left, layer.window.pad_bottom,
                     layer.window.pad_right, layer.value);
    case Op::resize:
      return net.resize(layer.name, from, layer.window.stride_h, layer.window.stride_w);
    case Op::input:
      break;
  }
  throw base::InternalError("a description with a layer of no kind");
}

}  // namespace

NetworkDescription read_network(std::string_view text, const std::string& source) {
  return Reader(text, source).run();
}

quant::NetworkInfo build_network(const NetworkDescription& description, quant::Shape input, int classes,
                                 Joins joins) {
  if (classes < 2)
    throw base::UserError(fmt::format("{}: needs at least 2 classes, got {}", description.source, classes));
  quant::NetworkBuilder net(description.name, input);
  std::vector<int> nodes;
  for (const DescribedLayer& layer : description.layers) {
    const auto refuse = [&](const std::string& why) {
      throw base::UserError(fmt::format("{}:{}:{}: {}: {}", description.source, layer.mark.line,
                                        layer.mark.column, layer.place, why));
    };
    try {
      nodes.push_back(add_layer(net, layer, nodes, classes));
    } catch (const base::UserError& error) {
      refuse(error.what());
    }
    const quant::Shape& shape = net.shape(nodes.back());
    if (&layer == &description.layers.back() && shape != quant::Shape{classes, 1, 1})
      refuse(
          fmt::format("the last layer gives {}x{}x{} values for {} classes; it must give one for each, e.g. "
                      "linear: {{out: classes}}",
                      shape.channels, shape.height, shape.width, classes));
  }
  quant::NetworkInfo network = std::move(net).build();
  if (network.nodes.back().op == quant::Op::quantize) {
    const DescribedLayer& last = description.layers.back();
    throw base::UserError(
        fmt::format("{}:{}:{}: {}: the last layer gives the logits, which stay fp32; leave it out",
                    description.source, last.mark.line, last.mark.column, last.place));
  }
  return joins == Joins::int8 ? quant::with_integer_joins(network) : network;
}

}  // namespace bitsmith::trainer
