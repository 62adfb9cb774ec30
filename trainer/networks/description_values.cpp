#include "trainer/networks/description_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::trainer {
namespace {

constexpr int kMostChannels = 1 << 20, kLargest = quant::NetworkBuilder::kLargestWindow;

class Values {
 public:
  Values(const base::YamlNode& map, const std::vector<std::string>& keys, const DescribedLayer& layer,
         DescriptionProblems& problems)
      : map_(map), keys_(keys), layer_(layer), problems_(problems) {}

  void integer(const char* key, int low, int high, int& value) {
    const base::YamlNode* node = find(key);
    if (node == nullptr) return;
    if (const auto read = whole(*node, low, high))
      value = *read;
    else
      refuse(key, *node, fmt::format("an integer, {} to {}", low, high));
  }

  void outputs(int& value) {
    const base::YamlNode* node = find("out");
    const auto read = node == nullptr ? std::nullopt : whole(*node, 1, kMostChannels);
    if (node == nullptr)
      required("out", "how many outputs, or classes");
    else if (read)
      value = *read;
    else if (!node->is_scalar() || node->text != "classes")
      refuse("out", *node, fmt::format("an integer, 1 to {}, or classes", kMostChannels));
  }

  /// One number, or two: of height and width.
  void pair(const char* key, int low, int& height, int& width) {
    const base::YamlNode* node = find(key);
    if (node == nullptr) return;
    const auto list = whole_list(*node, low);
    if (list.size() != 1 && list.size() != 2)
      return refuse(key, *node, fmt::format("an integer, {} to {}, or [height, width]", low, kLargest));
    height = list.front();
    width = list.back();
  }

  void pads(quant::Window& window) {
    const base::YamlNode* node = find("pad");
    if (node == nullptr) return;
    const auto list = whole_list(*node, 0);
    if (list.size() != 1 && list.size() != 2 && list.size() != 4)
      return refuse(
          "pad", *node,
          fmt::format("an integer, 0 to {}, or [height, width], or [top, left, bottom, right]", kLargest));
    window.pad_top = list[0];
    window.pad_left = list[list.size() == 1 ? 0 : 1];
    window.pad_bottom = list[list.size() == 4 ? 2 : 0];
    window.pad_right = list.back();
  }

  void boolean(const char* key, bool& value) {
    const base::YamlNode* node = find(key);
    if (node == nullptr) return;
    if (const auto read = base::yaml_boolean(*node))
      value = *read;
    else
      refuse(key, *node, "true, false");
  }

  void real(const char* key, double above, double most, float& value) {
    const base::YamlNode* node = find(key);
    if (node == nullptr) return;
    const auto read = base::yaml_real(*node);
    if (read && *read > above && *read <= most)
      value = static_cast<float>(*read);
    else
      refuse(key, *node, fmt::format("a number, above {} to {}", above, most));
  }

  /// The name of a function, and its parameters where it has any.
  void function(DescribedLayer& layer) {
    if (!takes("of")) return;
    std::vector<std::string> names;
    for (const quant::FunctionRow& row : quant::function_rows()) names.emplace_back(row.name);
    required("of", "which function");
    const base::YamlNode* node = map_.find("of");
    const auto found = node != nullptr && node->is_scalar() ? quant::find_function(node->text) : std::nullopt;
    if (found)
      layer.function = *found;
    else if (node != nullptr)
      refuse("of", *node, base::join_names(names) + base::did_you_mean(node->text, names));
  }

  void required(const char* key, const char* meaning) {
    if (takes(key) && map_.find(key) == nullptr)
      problems_.add(layer_.mark, layer_.place + "." + key, fmt::format("is required: {}", meaning));
  }
  bool takes(const char* key) const { return std::ranges::find(keys_, key) != keys_.end(); }

 private:
  const base::YamlNode* find(const char* key) const { return takes(key) ? map_.find(key) : nullptr; }
  static std::optional<int> whole(const base::YamlNode& node, int low, int high) {
    const auto read = base::yaml_integer(node);
    return read && *read >= low && *read <= high ? std::optional(static_cast<int>(*read)) : std::nullopt;
  }
  /// The numbers of a list, or the one number that it is; empty if one is not allowed.
  static std::vector<int> whole_list(const base::YamlNode& node, int low) {
    std::vector<int> list;
    const std::vector<base::YamlNode> alone{node};
    for (const base::YamlNode& item : node.is_sequence() ? node.items : alone) {
      const auto read = whole(item, low, kLargest);
      if (!read) return {};
      list.push_back(*read);
    }
    return list;
  }
  void refuse(const char* key, const base::YamlNode& node, const std::string& allowed) {
    problems_.add(node.mark, layer_.place + "." + key,
                  fmt::format("got {}, allowed: {}", node.described(), allowed));
  }

  const base::YamlNode& map_;
  const std::vector<std::string>& keys_;
  const DescribedLayer& layer_;
  DescriptionProblems& problems_;
};

}  // namespace

void DescriptionProblems::add(base::YamlMark mark, const std::string& place, const std::string& message) {
  problems_.push_back({mark, place.empty() ? message : place + ": " + message});
}

void DescriptionProblems::check_keys(const base::YamlNode& map, const std::string& place,
                                     const std::vector<std::string>& allowed) {
  for (const base::YamlEntry& entry : map.entries) {
    if (std::ranges::find(allowed, entry.key) != allowed.end()) continue;
    const std::string hint = base::did_you_mean(entry.key, allowed);
    add(entry.key_mark, place.empty() ? entry.key : place + "." + entry.key,
        fmt::format("unknown key, allowed: {}{}", base::join_names(allowed), hint));
  }
}

void DescriptionProblems::throw_if_any(const base::YamlDocument& document) const {
  if (problems_.empty()) return;
  std::vector<base::YamlProblem> sorted = problems_;
  std::ranges::stable_sort(sorted, [](const base::YamlProblem& a, const base::YamlProblem& b) {
    return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
  });
  std::string text;
  for (const base::YamlProblem& problem : sorted)
    text += (text.empty() ? "" : "\n") + document.at(problem.mark) + ": " + problem.message;
  throw base::UserError(text);
}

void read_layer_values(const base::YamlNode& map, const std::vector<std::string>& keys, DescribedLayer& layer,
                       DescriptionProblems& problems) {
  Values values(map, keys, layer, problems);
  if (values.takes("out")) values.outputs(layer.out);
  values.required("kernel", "the window's size");
  quant::Window& window = layer.window;
  values.pair("kernel", 1, window.kernel_h, window.kernel_w);
  values.pair("stride", 1, window.stride_h, window.stride_w);
  values.pair("dilation", 1, window.dilation_h, window.dilation_w);
  values.pads(window);
  values.integer("groups", 1, kMostChannels, layer.groups);
  values.integer("heads", 1, kMostChannels, layer.groups);
  layer.bias = layer.op == quant::Op::linear;
  values.boolean("bias", layer.bias);
  values.boolean("transpose", layer.transpose);
  values.real("epsilon", 0, 1, layer.epsilon);
  values.real("factor", 0, 1e6, layer.factor);
  values.boolean("counts_padding", layer.counts_padding);
  values.function(layer);
  values.real("alpha", -1e6, 1e6, layer.alpha);
  values.real("beta", -1e6, 1e6, layer.beta);
  values.real("value", -1e6, 1e6, layer.value);
  values.integer("begin", 0, kMostChannels, layer.begin);
}

}  // namespace bitsmith::trainer
