#include "trainer/qat/learned_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/qat_methods.hpp"
#include "quant/tied_layers.hpp"
#include "trainer/qat/activation_method.hpp"
#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

constexpr std::size_t kMostParameters = 4,
                      kMostBuffers = 2;  // of a layer: two for weights, two for its input

using quant::Op;

const quant::Node& node_at(const quant::NetworkInfo& info, int index) {
  return info.nodes[static_cast<std::size_t>(index)];
}

template <typename Item>
Item* find(std::vector<Item>& items, std::size_t from, const std::string& name) {
  for (std::size_t i = from; i < items.size(); ++i)
    if (items[i].name == name) return &items[i];
  return nullptr;
}

/// Takes what lies behind the first `own` away.
template <typename Item>
std::map<std::string, Item> take_tail(std::vector<Item>& items, std::size_t own) {
  std::map<std::string, Item> tail;
  for (std::size_t i = own; i < items.size(); ++i) tail.emplace(items[i].name, std::move(items[i]));
  items.resize(own);
  return tail;
}

template <typename Item>
void replace_tail(std::vector<Item>& items, std::size_t own, const std::vector<Item>& from) {
  items.resize(own);
  base::require(from.size() <= items.capacity(), "LearnedNumbers: no room");
  items.insert(items.end(), from.begin() + static_cast<std::ptrdiff_t>(own), from.end());
}

/// Gives every copy the sum of all gradients. Copies that are not there, or not alike, are left as they are.
template <typename Members, typename Copy>
void sum_gradients(const Members& members, const Copy& copy) {
  Parameter* const first = copy(members.front());
  const auto fits = [&](auto member) {
    const Parameter* const other = copy(member);
    return other != nullptr && other->gradient.size() == first->gradient.size();
  };
  if (first == nullptr || !std::ranges::all_of(members, fits)) return;
  const auto others = std::span(members).subspan(1);
  for (auto member : others)
    std::ranges::transform(first->gradient, copy(member)->gradient, first->gradient.begin(), std::plus<>());
  for (auto member : others) copy(member)->gradient = first->gradient;
}

}  // namespace

LearnedNumbers::LearnedNumbers(const quant::NetworkInfo& info, std::vector<Parameter>& parameters,
                               std::vector<Buffer>& buffers, std::vector<LayerQuantization>& quantization)
    : info_(info),
      parameters_(parameters),
      buffers_(buffers),
      quantization_(quantization),
      own_parameters_(parameters.size()),
      own_buffers_(buffers.size()),
      source_(quant::tensors_read(info)),
      gradients_(info.layers.size()),
      layers_of_one_weight_(quant::layers_of_one_weight(info)) {
  for (const auto& names : info.shared_parameters) {
    shared_.emplace_back();
    for (const std::string& shared : names) {
      const auto found = std::ranges::find(parameters_, shared, &Parameter::name);
      base::require(found != parameters_.end(), "a shared parameter that the network does not have");
      shared_.back().push_back(static_cast<std::size_t>(found - parameters_.begin()));
    }
  }
  parameters_.reserve(own_parameters_ + kMostParameters * info.layers.size());
  buffers_.reserve(own_buffers_ + kMostBuffers * info.layers.size());
  const auto readers = info.consumers();
  for (const quant::LayerInfo& layer : info.layers) {
    const auto& read_by = readers[static_cast<std::size_t>(layer.node)];
    const bool normed = read_by.size() == 1 && node_at(info, read_by[0]).op == Op::batch_norm;
    norm_.push_back(normed ? read_by[0] : -1);
    const auto weights = std::ranges::find(parameters_, layer.name + ".weight", &Parameter::name);
    base::require(weights != parameters_.end(), "LearnedNumbers: a layer without weights");
    weight_.push_back(static_cast<std::size_t>(weights - parameters_.begin()));
  }
}

Parameter& LearnedNumbers::weight(int layer) { return parameters_[weight_[static_cast<std::size_t>(layer)]]; }

std::string LearnedNumbers::name(int layer, const char* suffix) const {
  return info_.layers[static_cast<std::size_t>(layer)].name + "." + suffix;
}

int LearnedNumbers::leader(int layer) const {
  const auto at = static_cast<std::size_t>(layer);
  const LayerQuantization& q = quantization_[at];
  for (std::size_t other = 0; other < at; ++other) {
    const LayerQuantization& p = quantization_[other];
    if (source_[other] == source_[at] && p.activation_bits == q.activation_bits &&
        p.activation_method == q.activation_method && p.activation_dynamic == q.activation_dynamic)
      return static_cast<int>(other);
  }
  return layer;
}

void LearnedNumbers::renew(int layer) {
  auto old_parameters = take_tail(parameters_, own_parameters_);
  auto old_buffers = take_tail(buffers_, own_buffers_);
  const auto add = [&](int of, const LearnedParameter& number, bool fresh) {
    const std::string named = name(of, number.suffix);
    const auto old = old_parameters.find(named);
    if (!fresh && old != old_parameters.end() && old->second.shape == number.shape)
      return parameters_.push_back(std::move(old->second));
    Parameter parameter{named, number.shape, number.start(), {}, number.decays};
    parameter.gradient.resize(parameter.value.size());
    parameters_.push_back(std::move(parameter));
  };
  const auto add_buffer = [&](int of, const LearnedBuffer& number, bool fresh) {
    const std::string named = name(of, number.suffix);
    const auto old = old_buffers.find(named);
    if (!fresh && old != old_buffers.end()) return buffers_.push_back(std::move(old->second));
    buffers_.push_back({named, number.start()});
  };
  for (int of = 0; of < static_cast<int>(quantization_.size()); ++of) {
    const LayerQuantization& q = quantization_[static_cast<std::size_t>(of)];
    const bool fresh = of == layer;
    if (q.quantizes_weights()) {
      const WeightMethodCode& code = weight_method_code(q.weight_method);
      if (code.parameters != nullptr)
        for (const LearnedParameter& number : code.parameters(weight(of), q)) add(of, number, fresh);
      if (code.buffers != nullptr)
        for (const LearnedBuffer& number : code.buffers(weight(of), q)) add_buffer(of, number, fresh);
      if (fresh && code.begin != nullptr) code.begin(weight(of), q);
    }
    if (leader(of) == of)
      for (const LearnedParameter& number : input_parameters(q)) add(of, number, fresh);
    for (const LearnedBuffer& number : input_buffers(q)) add_buffer(of, number, fresh);
  }
  link();
}

void LearnedNumbers::copy(const std::vector<Parameter>& parameters, const std::vector<Buffer>& buffers) {
  replace_tail(parameters_, own_parameters_, parameters);
  replace_tail(buffers_, own_buffers_, buffers);
  link();
}

void LearnedNumbers::link() {
  const auto parameter = [&](int layer, const LearnedParameter& number) {
    return find(parameters_, own_parameters_, name(layer, number.suffix));
  };
  const auto buffer = [&](int layer, const LearnedBuffer& number) {
    return find(buffers_, own_buffers_, name(layer, number.suffix));
  };
  for (int layer = 0; layer < static_cast<int>(quantization_.size()); ++layer) {
    const auto at = static_cast<std::size_t>(layer);
    LayerQuantization& q = quantization_[at];
    q.learned = {};
    if (q.quantizes_weights()) {
      const WeightMethodCode& code = weight_method_code(q.weight_method);
      if (code.parameters != nullptr)
        for (const LearnedParameter& number : code.parameters(weight(layer), q))
          q.learned.*number.place = parameter(layer, number);
      if (code.buffers != nullptr)
        for (const LearnedBuffer& number : code.buffers(weight(layer), q))
          q.learned.*number.place = buffer(layer, number);
    }
    for (const LearnedParameter& number : input_parameters(q)) {
      q.learned.*number.place = parameter(leader(layer), number);
      q.learned.input_gradient = &gradients_[at];
    }
    for (const LearnedBuffer& number : input_buffers(q)) q.learned.*number.place = buffer(layer, number);
    if (q.folds_batch_norm && norm_[at] >= 0) {
      const quant::Node& norm = node_at(info_, norm_[at]);
      q.learned.gamma = find(parameters_, 0, norm.name + ".weight");
      q.learned.variance = find(buffers_, 0, norm.name + ".running_var");
      q.learned.epsilon = static_cast<double>(norm.epsilon);
    }
  }
}

void LearnedNumbers::project() {
  for (int layer = 0; layer < static_cast<int>(quantization_.size()); ++layer) {
    const LayerQuantization& q = quantization_[static_cast<std::size_t>(layer)];
    for (Parameter* positive : {q.learned.weight_step, q.learned.weight_positive, q.learned.weight_negative,
                                q.learned.input_step, q.learned.input_clip})
      if (positive != nullptr)
        for (float& value : positive->value) value = value < kLeastStep ? kLeastStep : value;
    if (!q.quantizes_weights()) continue;
    const WeightMethodCode& code = weight_method_code(q.weight_method);
    if (code.project != nullptr) code.project(weight(layer), q);
  }
}

void LearnedNumbers::reduce_gradients() {
  for (std::size_t layer = 0; layer < quantization_.size(); ++layer) {
    const LearnedQuantization& lead = quantization_[layer].learned;
    if (lead.input_gradient == nullptr || leader(static_cast<int>(layer)) != static_cast<int>(layer))
      continue;
    InputGradient sum;
    for (std::size_t other = layer; other < quantization_.size(); ++other) {
      const LearnedQuantization& learned = quantization_[other].learned;
      if (learned.input_step != lead.input_step || learned.input_clip != lead.input_clip) continue;
      sum.size += learned.input_gradient->size;
      sum.offset += learned.input_gradient->offset;
    }
    Parameter& size = lead.input_step != nullptr ? *lead.input_step : *lead.input_clip;
    size.gradient[0] = static_cast<float>(sum.size);
    if (lead.input_offset != nullptr) lead.input_offset->gradient[0] = static_cast<float>(sum.offset);
  }
  sum_gradients_of_shared_parameters();
}

void LearnedNumbers::sum_gradients_of_shared_parameters() {
  for (const auto& group : shared_)
    sum_gradients(group, [this](std::size_t index) { return &parameters_[index]; });
  for (const auto& layers : layers_of_one_weight_)
    for (Parameter* LearnedQuantization::*number :
         {&LearnedQuantization::weight_step, &LearnedQuantization::weight_positive,
          &LearnedQuantization::weight_negative})
      sum_gradients(layers, [this, number](int layer) {
        return quantization_[static_cast<std::size_t>(layer)].learned.*number;
      });
}

int tensor_read_by(const quant::NetworkInfo& info, const quant::LayerInfo& layer) {
  int node = layer.node;
  do {
    node = node_at(info, node).inputs[0];
  } while (node_at(info, node).op == Op::max_pool || node_at(info, node).op == Op::flatten);
  const std::vector<int> tensors = info.quantize_nodes();
  const auto found = std::ranges::find(tensors, node);
  return found == tensors.end() ? -1 : static_cast<int>(found - tensors.begin());
}

bool has_given_input_scale(const quant::NetworkInfo& info, int layer, int bits) {
  const quant::LayerInfo& of = info.layers[static_cast<std::size_t>(layer)];
  if (bits == 8 && tensor_read_by(info, of) >= 0) return true;
  int node = node_at(info, of.node).inputs[0];
  while (node_at(info, node).op == Op::flatten) node = node_at(info, node).inputs[0];
  return node == 0;
}

}  // namespace bitsmith::trainer
