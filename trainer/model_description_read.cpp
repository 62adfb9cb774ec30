#include "trainer/model_description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "quant/base/error.hpp"
#include "quant/quantizer.hpp"
#include "quant/row_pad.hpp"
#include "quant/serving.hpp"
#include "quant/weight_encoding.hpp"
#include "trainer/packed_bits.hpp"
#include "trainer/preparation_description.hpp"

namespace bitsmith::trainer {
namespace {

using Json = nlohmann::ordered_json;
using quant::Node;
using quant::Op;

constexpr int kMostNodes = 100'000, kMostChannels = 1 << 20, kMostPixels = 1 << 14, kLargestWindow = 1 << 10;
constexpr std::int64_t kMostElements = std::int64_t{1} << 26;  // of one image's activation
constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr Op kOps[] = {Op::conv,     Op::linear,       Op::batch_norm,
                       Op::relu,     Op::relu6,        Op::max_pool,
                       Op::add,      Op::average_pool, Op::global_average_pool,
                       Op::flatten,  Op::quantize,     Op::layer_norm,
                       Op::gelu,     Op::softmax,      Op::matmul,
                       Op::position, Op::function,     Op::prelu,
                       Op::scale,    Op::multiply,     Op::concat,
                       Op::slice,    Op::shuffle,      Op::pad,
                       Op::resize};

[[noreturn]] void damaged(const std::string& why) { throw base::UserError("is damaged: " + why); }

const Json& member(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) damaged(fmt::format("its description lacks '{}'", key));
  return *found;
}

int integer(const Json& json, const char* what, int low, int high) {
  if (!json.is_number_integer()) damaged(fmt::format("{} is no whole number", what));
  const auto value = json.get<std::int64_t>();
  if (value < low || value > high)
    damaged(fmt::format("{}: got {}, allowed are {} to {}", what, value, low, high));
  return static_cast<int>(value);
}

std::string text(const Json& json, const char* what) {
  if (!json.is_string()) damaged(fmt::format("{} is no text", what));
  return json.get<std::string>();
}

const Json& list(const Json& json, const char* what, std::size_t most) {
  if (!json.is_array() || json.size() > most) damaged(fmt::format("{} is no list of at most {}", what, most));
  return json;
}

double real(const Json& json, const char* what) {
  if (!json.is_number()) damaged(fmt::format("{} is no number", what));
  const auto value = json.get<double>();
  if (!std::isfinite(static_cast<float>(value))) damaged(fmt::format("{} is not finite", what));
  return value;
}

float bound(const Json& json, const char* what, float absent) {
  return json.is_null() ? absent : static_cast<float>(real(json, what));
}

Op op_of(const std::string& name) {
  for (Op op : kOps)
    if (quant::op_name(op) == name) return op;
  damaged(fmt::format("it has a node of the unknown kind '{}'", name));
}

quant::Window window_of(const Json& json) {
  quant::Window window;
  if (list(json, "window", kWindowFields.size()).size() != kWindowFields.size())
    damaged("a window lacks sizes");
  for (std::size_t i = 0; i < kWindowFields.size(); ++i)
    window.*kWindowFields[i] = integer(json[i], "window", 0, kLargestWindow);
  return window;
}

void add_node(quant::NetworkBuilder& builder, const Json& json, int index) {
  const std::string name = text(member(json, "name"), "a node's name");
  const Op op = op_of(text(member(json, "op"), "op"));
  const Json& inputs = list(member(json, "inputs"), "inputs", 2);
  if (inputs.size() != (quant::has_two_inputs(op) ? 2u : 1u))
    damaged(fmt::format("node '{}': wrong number of inputs", name));
  const int from = integer(inputs[0], "inputs", 0, index - 1);
  const auto second = [&] { return integer(inputs[1], "inputs", 0, index - 1); };
  const auto outputs = [&] { return integer(member(json, "outputs"), "outputs", 1, kMostChannels); };
  const auto flag = [&](const char* key) {
    if (!member(json, key).is_boolean()) damaged(fmt::format("{} is neither true nor false", key));
    return member(json, key).get<bool>();
  };
  const auto groups = [&] { return integer(member(json, "groups"), "groups", 1, kMostChannels); };
  const auto number = [&](const char* key) { return static_cast<float>(real(member(json, key), key)); };
  const auto window = [&] { return window_of(member(json, "window")); };
  switch (op) {
    case Op::conv:
      builder.conv(name, from, outputs(), window(), groups(), flag("bias"));
      break;
    case Op::linear:
      builder.linear(name, from, outputs(), flag("bias"));
      break;
    case Op::batch_norm:
      builder.batch_norm(name, from, number("epsilon"));
      break;
    case Op::relu:
      builder.relu(name, from);
      break;
    case Op::relu6:
      builder.relu6(name, from);
      break;
    case Op::max_pool:
      builder.max_pool(name, from, window());
      break;
    case Op::average_pool:
      builder.average_pool(name, from, window(), json.contains("counts_padding"));
      break;
    case Op::global_average_pool:
      builder.global_average_pool(name, from);
      break;
    case Op::add:
      builder.add(name, from, second());
      break;
    case Op::flatten:
      builder.flatten(name, from);
      break;
    case Op::quantize:
      builder.quantize(name, from);
      break;
    case Op::layer_norm:
      builder.layer_norm(name, from, number("epsilon"));
      break;
    case Op::gelu:
      builder.gelu(name, from);
      break;
    case Op::softmax:
      builder.softmax(name, from, groups());
      break;
    case Op::matmul:
      builder.matmul(name, from, second(), groups(), flag("transpose"), number("factor"));
      break;
    case Op::position:
      builder.position(name, from);
      break;
    case Op::function: {
      const auto function = quant::find_function(text(member(json, "function"), "function"));
      if (!function) damaged(fmt::format("node '{}': an unknown function", name));
      builder.function(name, from, *function, bound(member(json, "alpha"), "alpha", -kInfinity),
                       bound(member(json, "beta"), "beta", kInfinity));
      break;
    }
    case Op::prelu:
      builder.prelu(name, from);
      break;
    case Op::scale:
      builder.scale(name, from);
      break;
    case Op::multiply:
      builder.multiply(name, from, second());
      break;
    case Op::concat:
      builder.concat(name, from, second());
      break;
    case Op::slice:
      builder.slice(name, from, integer(member(json, "begin"), "begin", 0, kMostChannels), outputs());
      break;
    case Op::shuffle:
      builder.shuffle(name, from, groups());
      break;
    case Op::pad: {
      const quant::Window w = window();
      if (json.contains("row")) {
        builder.copy(
            quant::row_pad(name, from, builder.node(from), w.pad_left, w.pad_right, number("value")));
        break;
      }
      builder.pad(name, from, w.pad_top, w.pad_left, w.pad_bottom, w.pad_right, number("value"));
      break;
    }
    case Op::resize: {
      const quant::Window w = window();
      builder.resize(name, from, w.stride_h, w.stride_w);
      break;
    }
    case Op::input:
      damaged("it has two inputs");
  }
  if (builder.shape(index).elements() > kMostElements)
    damaged(fmt::format("the output of '{}' has more than {} values", name, kMostElements));
}

quant::NetworkInfo network_of(const Json& json) {
  const Json& input = list(member(json, "input"), "input", 3);
  if (input.size() != 3) damaged("input is not [channels, height, width]");
  const quant::Shape shape{integer(input[0], "input channels", 1, kMostChannels),
                           integer(input[1], "input height", 1, kMostPixels),
                           integer(input[2], "input width", 1, kMostPixels)};
  if (shape.elements() > kMostElements)
    damaged(fmt::format("its input has more than {} values", kMostElements));
  quant::NetworkBuilder builder(text(member(json, "name"), "the network's name"), shape);
  int index = 0;
  for (const Json& node : list(member(json, "nodes"), "nodes", kMostNodes)) add_node(builder, node, ++index);
  return std::move(builder).build();
}

/// Gives each layer the kernel that the file names.
class NamedKernels : public quant::KernelChooser {
 public:
  std::map<std::string, std::string, std::less<>> names;
  std::string choose(const quant::LayerInfo& layer, const quant::Step&) const override {
    return names.at(layer.name);
  }
};

class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : bytes_(bytes) {}

  std::string_view array(const Json& json, std::uint64_t size) const {
    const Json &at = member(json, "offset"), &length = member(json, "bytes");
    if (!at.is_number_unsigned() || !length.is_number_unsigned()) damaged("an array is nowhere");
    const auto offset = at.get<std::uint64_t>();
    if (length.get<std::uint64_t>() != size)
      damaged(fmt::format("an array of {} bytes, expected {}", length.get<std::uint64_t>(), size));
    if (offset > bytes_.size() || size > bytes_.size() - offset || offset % NumberStore::kAlignment != 0)
      damaged("an array ends outside the file");
    return bytes_.substr(offset, size);
  }
  std::vector<float> floats(const Json& json, std::uint64_t count) const {
    const std::string_view bytes = array(json, count * sizeof(float));
    std::vector<float> values(count);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); }))
      damaged("a number is not finite");
    return values;
  }

 private:
  std::string_view bytes_;
};

quant::Format format_of(const Json& json, const char* what,
                        std::optional<quant::Format> (*known)(std::string_view)) {
  if (json.is_number_integer() && json.get<std::int64_t>() == quant::kFloatBits) return quant::kFloatBits;
  const auto format = known(json.is_string() ? json.get<std::string>() : json.dump());
  if (!format) damaged(fmt::format("{}: got {}", what, json.dump()));
  return *format;
}

/// Weights that are stored in a format of their own.
void read_encoded(const Json& json, quant::Format format, const quant::LayerInfo& layer,
                  const Numbers& numbers, DeployedStep& deployed) {
  const std::string scales = text(member(json, "scales"), "scales");
  if (scales != "channel" && scales != "tensor") damaged(fmt::format("scales: got '{}'", scales));
  const quant::Encoded like = quant::weight_encoding_of(
      layer.weights(), layer.output.channels, format,
      scales == "channel" ? quant::Granularity::channel : quant::Granularity::tensor);
  const std::string_view packed =
      numbers.array(member(json, "weights"), static_cast<std::uint64_t>(quant::packed_size(like)));
  deployed.weights =
      quant::unpack({reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()}, like);
  if (quant::is_decoded(format)) {
    deployed.layer.float_weights = quant::decode(*deployed.weights);
    if (!std::ranges::all_of(deployed.layer.float_weights, [](float w) { return std::isfinite(w); }))
      damaged(fmt::format("layer '{}' has a weight that is not finite", layer.name));
  } else {
    deployed.layer.weights = quant::weight_levels(*deployed.weights).levels;
  }
}

/// Those that nothing is computed with: earlier files lack them.
void read_scales(const Json& json, const quant::LayerInfo& layer, const Numbers& numbers,
                 DeployedStep& deployed) {
  const auto positive = [&](float scale) {
    if (!(scale > 0)) damaged(fmt::format("layer '{}' has a scale that is not above 0", layer.name));
  };
  if (const auto found = json.find("output_scale"); found != json.end()) {
    if (deployed.step.to == quant::Storage::f32) damaged("a step that gives floats has a scale for them");
    deployed.output_scale = static_cast<float>(real(*found, "output_scale"));
    positive(deployed.output_scale);
  }
  if (const auto found = json.find("weight_scales"); found != json.end()) {
    if (deployed.layer.weights.empty()) damaged("weights that are floats have scales");
    const auto channels = static_cast<std::uint64_t>(layer.output.channels);
    const bool single = member(*found, "bytes") == sizeof(float);
    deployed.weight_scales = numbers.floats(*found, single ? 1 : channels);
    std::ranges::for_each(deployed.weight_scales, positive);
  }
}

void read_layer(const Json& json, quant::Format format, const quant::LayerInfo& layer, const Numbers& numbers,
                DeployedStep& deployed) {
  const quant::Step& step = deployed.step;
  quant::LayerNumbers& found = deployed.layer;
  const auto weights = static_cast<std::uint64_t>(layer.weights());
  const auto channels = static_cast<std::uint64_t>(layer.output.channels);
  if (!format.is_float() && !format.is_integer()) {
    read_encoded(json, format, layer, numbers, deployed);
  } else if (format.is_float()) {
    found.float_weights = numbers.floats(member(json, "weights"), weights);
  } else {
    found.weights =
        unpack_bits(numbers.array(member(json, "weights"), packed_bytes(weights, step.bits.weight)), weights,
                    step.bits.weight);
    const int low = quant::integer_range(step.bits.weight, true).low;
    if (std::ranges::any_of(found.weights, [&](std::int8_t w) { return w < low; }))
      damaged(fmt::format("layer '{}' has a weight below {}", layer.name, low));
  }
  found.multiplier = numbers.floats(member(json, "multiplier"), channels);
  found.bias = numbers.floats(member(json, "bias"), channels);
  found.low = bound(member(json, "low"), "low", -kInfinity);
  found.high = bound(member(json, "high"), "high", kInfinity);
  const auto fits = [&](float low, float high) { return found.low >= low && found.high <= high; };
  if (found.low > found.high || (step.to == quant::Storage::u8 && !fits(0, 255)) ||
      (step.to == quant::Storage::s8 && !fits(-127, 127)))
    damaged(fmt::format("layer '{}' is clamped to {}..{}", layer.name, found.low, found.high));
  read_scales(json, layer, numbers, deployed);
}

quant::StepNumbers other_of(const Json& json, const quant::Step& step, const quant::NetworkInfo& network,
                            const quant::Policy& policy, const Numbers& numbers) {
  quant::StepNumbers found;
  found.high = bound(member(json, "high"), "high", kInfinity);
  const auto scale = [&](const char* key) {
    const auto value = static_cast<float>(real(member(json, key), key));
    if (!(value > 0)) damaged("a scale is not above 0");
    return value;
  };
  if (step.from != quant::Storage::f32) found.in_scale = scale("in_scale");
  if (step.second_from != quant::Storage::f32) found.second_scale = scale("second_scale");
  if (step.to != quant::Storage::f32) {
    found.scale = scale("scale");
    const auto reader = static_cast<std::size_t>(step.scale_of);
    found.range =
        step.tensor >= 0
            ? quant::integer_range(8, network.nodes[static_cast<std::size_t>(step.tensor)].output_signed)
            : quant::integer_range(policy.layers[reader].activation.code(),
                                   network.layers[reader].input_signed);
  }
  const quant::StepParameters has = quant::step_parameters(step);
  if (has.multiplier > 0)
    found.multiplier = numbers.floats(member(json, "multiplier"), static_cast<std::uint64_t>(has.multiplier));
  if (has.bias > 0) found.bias = numbers.floats(member(json, "bias"), static_cast<std::uint64_t>(has.bias));
  const Node& node = network.nodes[static_cast<std::size_t>(step.node)];
  found.epsilon = node.epsilon;
  found.factor = node.factor;
  found.alpha = node.alpha;
  found.beta = node.beta;
  return found;
}

InputForm input_of(const Json& json, const quant::Shape& shape) {
  InputForm form;
  form.pad = integer(member(json, "pad"), "pad", 0, kMostPixels);
  if (2 * form.pad >= std::min(shape.height, shape.width) && form.pad > 0)
    damaged("the border leaves no image");
  const auto channels = static_cast<std::size_t>(shape.channels);
  for (const Json& mean : list(member(json, "mean"), "mean", channels))
    form.normalization.mean.push_back(real(mean, "mean"));
  for (const Json& deviation : list(member(json, "deviation"), "deviation", channels))
    form.normalization.deviation.push_back(real(deviation, "deviation"));
  const auto& [mean, deviation] = form.normalization;
  if (mean.size() != deviation.size() || (!mean.empty() && mean.size() != channels) ||
      std::ranges::any_of(deviation, [](double x) { return !(x > 0); }))
    damaged("mean and deviation do not fit the input");
  try {
    read_preparation(json, form);
  } catch (const base::UserError& error) {
    damaged(error.what());
  }
  return form;
}

DeployedModel model_of(const Json& json, std::string_view bytes) {
  DeployedModel model;
  model.network = network_of(member(json, "network"));
  const std::size_t count = model.network.layers.size();
  NamedKernels kernels;
  const Json& layers = list(member(json, "layers"), "layers", count);
  if (layers.size() != count) damaged("it lacks layers");
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = text(member(layers[i], "name"), "a layer's name");
    if (name != model.network.layers[i].name) damaged(fmt::format("layer '{}' is out of order", name));
    model.policy.layers.push_back(
        {format_of(member(layers[i], "weight_bits"), "weight_bits", quant::weight_format),
         format_of(member(layers[i], "activation_bits"), "activation_bits", quant::activation_format)});
    kernels.names[name] = text(member(layers[i], "kernel"), "a kernel's name");
  }
  quant::validate_policy(model.network, model.policy);
  auto scales = quant::ActivationScales::fixed;
  if (const auto found = json.find("activations"); found != json.end()) {
    if (*found != "dynamic") damaged(fmt::format("activations: got {}", found->dump()));
    scales = quant::ActivationScales::dynamic;
  }
  const quant::Plan plan = quant::lower(model.network, model.policy, kernels, scales);
  const Json& steps = list(member(json, "steps"), "steps", plan.steps.size());
  if (steps.size() != plan.steps.size() || plan.steps.empty() || plan.steps.back().to != quant::Storage::f32)
    damaged("its steps are not those of its network");
  const Numbers numbers(bytes);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const quant::Step& step = plan.steps[i];
    if (text(member(steps[i], "key"), "a step's key") != step.shape_key(model.network))
      damaged(fmt::format("step {} is not the one that its network has there", i));
    DeployedStep deployed;
    deployed.step = step;
    const auto layer = static_cast<std::size_t>(step.layer);
    if (step.kind == quant::StepKind::layer)
      read_layer(steps[i], model.policy.layers[layer].weight, model.network.layers[layer], numbers, deployed);
    else
      deployed.other = other_of(steps[i], step, model.network, model.policy, numbers);
    model.steps.push_back(std::move(deployed));
  }
  model.input = input_of(member(json, "input"), model.network.nodes.front().output);
  for (const auto& [key, value] : member(json, "provenance").items())
    model.provenance.emplace_back(key, text(value, "provenance"));
  return model;
}

}  // namespace

DeployedModel model_of_description(std::string_view description, std::string_view numbers) {
  try {
    return model_of(Json::parse(description), numbers);
  } catch (const Json::exception& error) {
    damaged(fmt::format("its description cannot be read ({})", error.what()));
  }
}

}  // namespace bitsmith::trainer
