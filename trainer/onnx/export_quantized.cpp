#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "quant/base/error.hpp"
#include "quant/quantizer.hpp"
#include "quant/serving.hpp"
#include "trainer/deployed_scales.hpp"
#include "trainer/onnx/export.hpp"
#include "trainer/onnx/export_operators.hpp"
#include "trainer/onnx/export_quantizers.hpp"
#include "trainer/onnx/tensor_names.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Step;
using quant::StepKind;
using quant::Storage;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The integers that a step with to != f32 gives.
quant::IntegerRange output_range(const DeployedModel& model, const Step& step) {
  if (step.tensor >= 0)
    return quant::integer_range(8, model.network.nodes[static_cast<std::size_t>(step.tensor)].output_signed);
  const auto reader = static_cast<std::size_t>(step.scale_of);
  return quant::integer_range(model.policy.layers[reader].activation.code(),
                              model.network.layers[reader].input_signed);
}

bool needs_four_bits(const DeployedModel& model, const Quantizers& quantizers) {
  return std::ranges::any_of(model.steps, [&](const DeployedStep& deployed) {
    const Step& step = deployed.step;
    const bool weights =
        step.kind == StepKind::layer && !deployed.layer.weights.empty() && step.bits.weight <= 4;
    return weights ||
           (step.to != Storage::f32 && quantizers.type_of(output_range(model, step)).is_four_bits());
  });
}

class StepsExport {
 public:
  StepsExport(const DeployedModel& model, Dialect dialect, const ExportNames& names)
      : model_(model),
        info_(model.network),
        dialect_(dialect),
        quantizers_(quantizers_of(dialect)),
        export_names_(names),
        names_(info_, names),
        graph_(opset(), names_.taken()),
        scales_(step_scales(model)) {
    for (float& scale : scales_)
      if (scale == 0) scale = 1.0f;
  }

  Exported run() && {
    for (const DeployedStep& deployed : model_.steps) {
      const Written result =
          deployed.step.kind == StepKind::layer ? write_layer_step(deployed) : write_other(deployed);
      written_.push_back(result);
    }
    Exported exported;
    const Written last = written_.empty() ? source(Step::kNetworkInput) : written_.back();
    exported.model = std::move(graph_).finish(info_, last, export_names_);
    if (!emulated_.empty())
      exported.model.metadata.emplace_back("bitsmith.emulated",
                                           fmt::format("{}", fmt::join(emulated_, "; ")));
    exported.emulated = std::move(emulated_);
    return exported;
  }

 private:
  std::int64_t opset() const {
    const std::int64_t least = least_opset(info_);
    const bool four_bits = dialect_ != Dialect::qonnx && needs_four_bits(model_, quantizers_);
    return four_bits ? std::max(least, kFourBitOpset) : least;
  }

  const quant::Node& node(int index) const { return info_.nodes[static_cast<std::size_t>(index)]; }
  Target target(int index) const { return {node(index).name, names_.output(index)}; }

  Written source(int step) const {
    if (step == Step::kNetworkInput) return {export_names_.input, info_.nodes.front().output, false};
    return written_[static_cast<std::size_t>(step)];
  }

  float scale_of(const DeployedStep& deployed) const {
    return scales_[static_cast<std::size_t>(&deployed - model_.steps.data())];
  }

  void tell(const std::string& what) { emulated_.push_back(what); }

  void tell_activation(const Step& step, quant::IntegerRange range) {
    if (quantizers_.is_native(range)) return;
    const std::string& reader = step.tensor >= 0 ? node(step.tensor).name
                                                 : info_.layers[static_cast<std::size_t>(step.scale_of)].name;
    if (!told_.insert(reader).second) return;
    tell(fmt::format("{}: inputs of {} levels ({} to {}) are clamped integers of 8 bits", reader,
                     range.levels(), range.low, range.high));
  }

  /// `value` as the step leaves it behind: clamped as its ReLU says, and quantized where it gives integers.
  /// `as` names the clamped value.
  Written finish_step(const DeployedStep& deployed, const Written& value, Bounds bounds) {
    const Step& step = deployed.step;
    const Target as =
        step.fused_relu ? target(step.activation) : graph_.fresh_target(value.name + "/clamped");
    if (step.to == Storage::f32) return write_clamp(graph_, as, value, bounds.low, bounds.high);
    const quant::IntegerRange range = output_range(model_, step);
    const float scale = scale_of(deployed);
    // A bound that the integers have anyway is no node.
    if (bounds.high >= static_cast<float>(range.high) * scale) bounds.high = kInfinity;
    tell_activation(step, range);
    const std::string base = step.tensor >= 0  ? node(step.tensor).name
                             : step.fused_relu ? as.tensor
                                               : value.name;
    return quantizers_.activation(graph_, as, value, bounds, scale, range, base);
  }

  Bounds relu_bounds(const Step& step, float high) const {
    return step.fused_relu ? Bounds{0.0f, high} : Bounds{};
  }

  /// Whether make_epilogue takes the channel as constant.
  static bool is_constant(const quant::LayerNumbers& numbers, std::size_t channel) {
    return !std::isfinite(numbers.bias[channel] / numbers.multiplier[channel]);
  }

  /// weights * real, the real number that a level of channel c stands for.
  std::string write_weight(const DeployedStep& deployed, const std::vector<double>& real, const Dims& dims) {
    const quant::LayerNumbers& numbers = deployed.layer;
    const Step& step = deployed.step;
    const std::string& name = names_.parameter(step.node, "weight");
    const std::size_t channels = real.size();
    const quant::Format format = model_.policy.layers[static_cast<std::size_t>(step.layer)].weight;
    if (numbers.weights.empty()) {
      std::vector<float> values(numbers.float_weights);
      const std::size_t each = values.size() / channels;
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = is_constant(numbers, i / each)
                        ? 0.0f
                        : static_cast<float>(static_cast<double>(values[i]) * real[i / each]);
      if (!format.is_float())
        tell(fmt::format("{}: weights in {} are floats of its values", node(step.node).name, format.name()));
      return graph_.put(name, dims, values);
    }
    WeightLevels levels{numbers.weights, std::vector<float>(channels), dims, step.bits.weight};
    const std::size_t each = levels.levels.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      levels.scales[c] = is_constant(numbers, c) ? 1.0f : static_cast<float>(std::abs(real[c]));
      for (std::size_t i = c * each; i < (c + 1) * each; ++i)
        if (is_constant(numbers, c))
          levels.levels[i] = 0;
        else if (real[c] < 0)
          levels.levels[i] = static_cast<std::int8_t>(-levels.levels[i]);
    }
    tell_weight(step, format);
    return quantizers_.weight(graph_, name, levels);
  }

  void tell_weight(const Step& step, quant::Format format) {
    if (format.is_integer() && quantizers_.is_native_weight(step.bits.weight)) return;
    if (dialect_ == Dialect::qonnx && step.bits.weight == 1) return;
    const std::string& name = node(step.node).name;
    const std::string width =
        format.is_integer() ? fmt::format("of {} bits", format.code()) : "in " + format.name();
    const int stored = dialect_ == Dialect::qonnx ? step.bits.weight : step.bits.weight <= 4 ? 4 : 8;
    tell(fmt::format("{}: weights {} are integers of {} bits", name, width, stored));
  }

  /// Whether the bias may be the layer's own input. Where ONNX Runtime makes a layer one of integers it
  /// rounds that to a step of their sums, which at few bits, or few products, is coarse; ours is not rounded,
  /// nor is an Add. Here where such a step is little of the output's.
  bool keeps_bias(const DeployedStep& deployed) const {
    constexpr float kLittle = 1.0f / 256;
    const Step& step = deployed.step;
    if (dialect_ == Dialect::qonnx || step.from == Storage::f32) return true;
    return step.to != Storage::f32 && step.bits.weight == 8 && step.bits.activation == 8 &&
           std::ranges::all_of(deployed.layer.multiplier, [](float m) { return std::abs(m) <= kLittle; });
  }

  Written write_layer_step(const DeployedStep& deployed) {
    const Step& step = deployed.step;
    const quant::LayerInfo& layer = info_.layers[static_cast<std::size_t>(step.layer)];
    const quant::LayerNumbers& numbers = deployed.layer;
    const double in = step.from == Storage::f32 ? 1.0 : static_cast<double>(input_scale(step));
    const auto out = static_cast<double>(scale_of(deployed));
    std::vector<double> real;
    std::vector<float> bias;
    for (std::size_t c = 0; c < numbers.multiplier.size(); ++c) {
      real.push_back(static_cast<double>(numbers.multiplier[c]) * out / in);
      bias.push_back(static_cast<float>(static_cast<double>(numbers.bias[c]) * out));
    }
    Written x = source(step.first);
    if (step.dynamic_bits > 0) {
      x = write_dynamic_activation(graph_, x, quant::integer_range(step.dynamic_bits, layer.input_signed),
                                   layer.name + "/input");
      tell(fmt::format("{}: inputs of {} bits at a scale for each image are floats", layer.name,
                       step.dynamic_bits));
    }
    const auto outputs = static_cast<std::int64_t>(layer.output.channels);
    const bool linear = layer.kind == quant::LayerKind::linear;
    const Dims dims = linear ? Dims{outputs, layer.input.elements()}
                             : Dims{outputs, layer.input.channels / layer.groups, layer.window.kernel_h,
                                    layer.window.kernel_w};
    const std::string weight = write_weight(deployed, real, dims);
    const std::string& bias_name = names_.parameter(step.node, "bias");
    const std::string& value = names_.output(step.batch_norm >= 0 ? step.batch_norm : step.node);
    Written product;
    if (keeps_bias(deployed)) {
      graph_.put(bias_name, {outputs}, bias);
      product = write_layer(graph_, layer, {layer.name, value}, x, weight, bias_name);
    } else {
      graph_.put(bias_name, linear ? Dims{outputs} : Dims{outputs, 1, 1}, bias);
      product = write_layer(graph_, layer, {layer.name, graph_.fresh(value + "/products")}, x, weight, "");
      product.name =
          graph_.add("Add", {graph_.fresh(layer.name + "/bias"), value}, {product.name, bias_name});
    }
    return finish_step(deployed, product,
                       relu_bounds(step, static_cast<float>(static_cast<double>(numbers.high) * out)));
  }

  float input_scale(const Step& step) const {
    base::require(step.first >= 0, "onnx: a layer of integers reads the images");
    return scales_[static_cast<std::size_t>(step.first)];
  }

  Written write_other(const DeployedStep& deployed) {
    const Step& step = deployed.step;
    const quant::StepNumbers& numbers = deployed.other;
    const Written x = source(step.first);
    const Target as = target(step.node);
    switch (step.kind) {
      case StepKind::quantize:
        if (step.to == Storage::f32) return x;  // its values already
        tell_activation(step, output_range(model_, step));
        return quantizers_.activation(graph_, graph_.fresh_target(x.name + "/clamped"), x, {}, numbers.scale,
                                      output_range(model_, step),
                                      step.tensor >= 0 ? node(step.tensor).name : x.name);
      case StepKind::max_pool:
        return write_pool(graph_, node(step.node), as, x);
      case StepKind::flatten:
        return write_flatten(graph_, as, x);
      case StepKind::relu:
        return write_clamp(graph_, as, x, 0.0f, numbers.high);
      case StepKind::batch_norm:
        return write_batch_norm(step, numbers, as, x);
      case StepKind::average_pool:
      case StepKind::global_average_pool:
        return finish_step(deployed, write_pool(graph_, node(step.node), as, x), {});
      case StepKind::add:
        return finish_step(deployed, write_add(graph_, as, x, source(step.second)),
                           relu_bounds(step, numbers.high));
      case StepKind::layer_norm:
        return finish_step(deployed, write_norm(step, numbers, as, x), {});
      case StepKind::gelu:
        return finish_step(deployed, write_gelu(graph_, as, x), {});
      case StepKind::softmax:
        return finish_step(deployed, write_softmax(graph_, as, x, step.groups), {});
      case StepKind::matmul:
        return finish_step(deployed, write_matmul(graph_, node(step.node), as, x, source(step.second)), {});
      case StepKind::position:
        return finish_step(
            deployed, write_position(graph_, as, x, names_.parameter(step.node, "weight"), numbers.bias), {});
      case StepKind::function:
        return finish_step(deployed, write_function(graph_, node(step.node), as, x), {});
      case StepKind::prelu:
        graph_.put(names_.parameter(step.node, "weight"), channel_dims(x), numbers.multiplier);
        return finish_step(deployed, write_prelu(graph_, as, x, names_.parameter(step.node, "weight")), {});
      case StepKind::multiply:
        return finish_step(deployed, write_multiply(graph_, as, x, source(step.second)), {});
      case StepKind::concat:
        return finish_step(deployed, write_concat(graph_, as, x, source(step.second)), {});
      case StepKind::slice:
      case StepKind::shuffle:
      case StepKind::pad:
      case StepKind::resize:
        return write_moved(graph_, node(step.node), as, x);
      case StepKind::layer:
        break;
    }
    throw base::InternalError(fmt::format("{}: no ONNX for this step", node(step.node).name));
  }

  /// One that no layer took in.
  Written write_batch_norm(const Step& step, const quant::StepNumbers& numbers, const Target& as,
                           const Written& x) {
    const std::string& gamma =
        graph_.put(names_.parameter(step.node, "weight"), channel_dims(x), numbers.multiplier);
    const std::string& beta = graph_.put(names_.parameter(step.node, "bias"), channel_dims(x), numbers.bias);
    return write_scale(graph_, as, x, gamma, beta);
  }

  Written write_norm(const Step& step, const quant::StepNumbers& numbers, const Target& as,
                     const Written& x) {
    const Dims dims{static_cast<std::int64_t>(numbers.bias.size())};
    graph_.put(names_.parameter(step.node, "weight"), dims, numbers.multiplier);
    graph_.put(names_.parameter(step.node, "bias"), dims, numbers.bias);
    return write_layer_norm(graph_, as, x, names_.parameter(step.node, "weight"),
                            names_.parameter(step.node, "bias"), numbers.epsilon);
  }

  const DeployedModel& model_;
  const quant::NetworkInfo& info_;
  Dialect dialect_;
  const Quantizers& quantizers_;
  const ExportNames& export_names_;
  TensorNames names_;
  GraphWriter graph_;
  /// Of each step's integers. Where the model does not know it they are 1: real numbers are then counted in
  /// integers, which changes no integer and no logit.
  std::vector<float> scales_;
  std::vector<Written> written_;  ///< what each step gives, as real numbers
  std::vector<std::string> emulated_;
  std::set<std::string> told_;
};

}  // namespace

Exported export_quantized(const DeployedModel& model, Dialect dialect, const ExportNames& names) {
  return StepsExport(model, dialect, names).run();
}

}  // namespace bitsmith::trainer::onnx
