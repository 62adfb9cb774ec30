#include "trainer/deployed_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/qat_methods.hpp"
#include "quant/quantizer.hpp"
#include "trainer/qat/activation_method.hpp"

namespace bitsmith::trainer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// y = scale[c] * x + shift[c], per channel, as batch norm in evaluation computes it.
struct Affine {
  std::vector<double> scale, shift;
};

class Deployment {
 public:
  Deployment(const Network& network, const quant::Plan& plan)
      : network_(network), info_(network.info()), plan_(plan) {}

  DeployedModel run() const {
    check_policy();
    DeployedModel model;
    model.network = info_;
    model.policy = plan_.policy;
    for (const quant::Step& step : plan_.steps) {
      DeployedStep deployed;
      deployed.step = step;
      if (step.kind == quant::StepKind::layer) {
        QuantizedWeights weights = network_.quantized_weights(step.layer);
        if (step.to != quant::Storage::f32) deployed.output_scale = output_scale(step);
        if (!weights.levels.empty()) deployed.weight_scales = weights.scales;
        deployed.layer = layer_numbers(step, weights);
        deployed.weights = std::move(weights.encoded);
      } else {
        deployed.other = other_numbers(step);
      }
      model.steps.push_back(std::move(deployed));
    }
    return model;
  }

 private:
  const quant::Node& node(int index) const { return info_.nodes[static_cast<std::size_t>(index)]; }

  void check_policy() const {
    base::require(plan_.network != nullptr && plan_.network->hash() == info_.hash(),
                  "deploy: the plan is of another network");
    for (std::size_t i = 0; i < info_.layers.size(); ++i) {
      const LayerQuantization& q = network_.quantization(static_cast<int>(i));
      const quant::LayerFormats formats = plan_.policy.layers[i];
      base::require(q.weight_format == formats.weight && q.activation_bits == formats.activation.code(),
                    "deploy: the network does not compute under the plan's policy");
      base::require(!q.quantizes_activations() || q.activation_signed == info_.layers[i].input_signed,
                    "deploy: a layer's input has the other sign");
      if (!runs_on_integers(q))
        throw base::UserError(
            fmt::format("{}: activation_method {} gives what no integer kernel multiplies ({}); choose lsq "
                        "or pact to run it "
                        "on integers",
                        info_.layers[i].name, quant::activation_method_row(q.activation_method).name,
                        q.learned.input_offset != nullptr ? "an offset" : "signs of signed inputs"));
    }
  }

  const std::vector<float>& parameter(const std::string& name) const {
    const Parameter* found = network_.find_parameter(name);
    base::require(found != nullptr, "deploy: a network without one of its parameters");
    return found->value;
  }
  const std::vector<float>& buffer(const std::string& name) const {
    const Buffer* found = network_.find_buffer(name);
    base::require(found != nullptr, "deploy: a network without one of its buffers");
    return found->value;
  }

  Affine batch_norm(int index) const {
    const quant::Node& norm = node(index);
    const auto &gamma = parameter(norm.name + ".weight"), &beta = parameter(norm.name + ".bias");
    const auto &mean = buffer(norm.name + ".running_mean"), &variance = buffer(norm.name + ".running_var");
    Affine affine;
    for (std::size_t c = 0; c < gamma.size(); ++c) {
      const double deviation =
          std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(norm.epsilon));
      // Rounded to fp32, like the scale that the trainer's evaluation multiplies with.
      const auto scale = static_cast<float>(static_cast<double>(gamma[c]) / deviation);
      affine.scale.push_back(static_cast<double>(scale));
      affine.shift.push_back(static_cast<double>(beta[c]) -
                             static_cast<double>(mean[c]) * static_cast<double>(scale));
    }
    return affine;
  }

  /// Batch norm after the layer and its bias, in real units.
  Affine layer_affine(const quant::Step& step, const quant::LayerInfo& layer) const {
    const auto channels = static_cast<std::size_t>(layer.output.channels);
    Affine affine{std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)};
    if (step.batch_norm >= 0) affine = batch_norm(step.batch_norm);
    if (!layer.bias) return affine;
    const auto& bias = parameter(layer.name + ".bias");
    for (std::size_t c = 0; c < channels; ++c)
      affine.shift[c] += affine.scale[c] * static_cast<double>(bias[c]);
    return affine;
  }

  /// The upper end of a fused or lone ReLU.
  float relu_top(int index) const { return node(index).op == quant::Op::relu6 ? 6.0f : kInfinity; }

  /// What a step that gives integers gives them for: a quantize node, or a layer's input.
  const std::string& quantizer_name(const quant::Step& step) const {
    return step.tensor >= 0 ? node(step.tensor).name
                            : info_.layers[static_cast<std::size_t>(step.scale_of)].name;
  }
  /// 1 for f32.
  float output_scale(const quant::Step& step) const {
    if (step.to == quant::Storage::f32) return 1.0f;
    if (step.tensor < 0) return trainer::input_scale(network_.quantization(step.scale_of));
    const float scale = buffer(node(step.tensor).name + ".scale")[0];
    if (!(scale > 0))
      throw base::UserError(fmt::format("{}: it has no scale: calibrate it", node(step.tensor).name));
    return scale;
  }
  quant::IntegerRange output_range(const quant::Step& step) const {
    if (step.tensor >= 0) return quant::integer_range(8, node(step.tensor).output_signed);
    const LayerQuantization& q = network_.quantization(step.scale_of);
    return quant::integer_range(q.activation_bits, q.activation_signed);
  }
  /// Of the step that gives an operand; 1 for f32 and the images.
  float scale_of_source(int step) const {
    return step < 0 ? 1.0f : output_scale(plan_.steps[static_cast<std::size_t>(step)]);
  }

  float input_scale(const quant::Step& step) const {
    const LayerQuantization& q = network_.quantization(step.layer);
    // Decoded weights read the values of quantized activations.
    if (step.from == quant::Storage::f32) return 1.0f;
    const float scale = scale_of_source(step.first), own = trainer::input_scale(q);
    if (scale != own)
      throw base::UserError(fmt::format(
          "'{}' and '{}' read the same tensor at {} bits, but at scales {} and {}: calibrate them "
          "together",
          quantizer_name(plan_.steps[static_cast<std::size_t>(step.first)]),
          info_.layers[static_cast<std::size_t>(step.layer)].name, q.activation_bits, scale, own));
    return scale;
  }

  /// `weights` loses its levels or floats to the step's numbers.
  quant::LayerNumbers layer_numbers(const quant::Step& step, QuantizedWeights& weights) const {
    const quant::LayerInfo& layer = info_.layers[static_cast<std::size_t>(step.layer)];
    quant::LayerNumbers numbers;
    numbers.weights = std::move(weights.levels);
    numbers.float_weights = std::move(weights.floats);
    const Affine affine = layer_affine(step, layer);
    const auto in = static_cast<double>(input_scale(step));
    const float out = output_scale(step);
    for (std::size_t c = 0; c < affine.scale.size(); ++c) {
      const float scale = weights.scales.empty() ? 1.0f : weights.scales[weights.scales.size() == 1 ? 0 : c];
      numbers.multiplier.push_back(
          static_cast<float>(affine.scale[c] * in * static_cast<double>(scale) / static_cast<double>(out)));
      numbers.bias.push_back(static_cast<float>(affine.shift[c] / static_cast<double>(out)));
    }
    if (step.fused_relu) {
      numbers.low = 0.0f;
      numbers.high = relu_top(step.activation) / out;
    }
    if (step.to != quant::Storage::f32) {
      const auto range = output_range(step);
      numbers.low = std::max(numbers.low, static_cast<float>(range.low));
      numbers.high = std::min(numbers.high, static_cast<float>(range.high));
    }
    check_finite(layer.name, numbers.float_weights, numbers.multiplier, numbers.bias);
    return numbers;
  }

  quant::StepNumbers other_numbers(const quant::Step& step) const {
    quant::StepNumbers numbers;
    numbers.in_scale = scale_of_source(step.first);
    numbers.second_scale = scale_of_source(step.second);
    numbers.epsilon = node(step.node).epsilon;
    numbers.factor = node(step.node).factor;
    numbers.alpha = node(step.node).alpha;
    numbers.beta = node(step.node).beta;
    if (step.to != quant::Storage::f32) {
      numbers.scale = output_scale(step);
      numbers.range = output_range(step);
    }
    const bool scales = step.kind == quant::StepKind::batch_norm && node(step.node).op == quant::Op::scale;
    if (scales || step.kind == quant::StepKind::prelu) {
      const std::string& name = node(step.node).name;
      numbers.multiplier = parameter(name + ".weight");
      if (scales) numbers.bias = parameter(name + ".bias");
      check_finite(name, {}, numbers.multiplier, numbers.bias);
    } else if (step.kind == quant::StepKind::batch_norm) {
      const Affine affine = batch_norm(step.node);
      for (double scale : affine.scale) numbers.multiplier.push_back(static_cast<float>(scale));
      for (double shift : affine.shift) numbers.bias.push_back(static_cast<float>(shift));
      check_finite(node(step.node).name, {}, numbers.multiplier, numbers.bias);
    } else if (step.kind == quant::StepKind::layer_norm || step.kind == quant::StepKind::position) {
      const std::string& name = node(step.node).name;
      const bool norm = step.kind == quant::StepKind::layer_norm;
      if (norm) numbers.multiplier = parameter(name + ".weight");
      numbers.bias = parameter(name + (norm ? ".bias" : ".weight"));
      check_finite(name, {}, numbers.multiplier, numbers.bias);
    } else if (step.kind == quant::StepKind::relu) {
      numbers.high = relu_top(step.node);
    } else if (step.fused_relu) {
      numbers.high = relu_top(step.activation);
    }
    return numbers;
  }

  static void check_finite(const std::string& name, const std::vector<float>& weights,
                           const std::vector<float>& multiplier, const std::vector<float>& bias) {
    const auto finite = [](float x) { return std::isfinite(x); };
    for (const auto* values : {&weights, &multiplier, &bias})
      if (!std::ranges::all_of(*values, finite))
        throw base::UserError(
            fmt::format("{}: a weight, or what batch norm makes of it, is not finite", name));
  }

  const Network& network_;
  const quant::NetworkInfo& info_;
  const quant::Plan& plan_;
};

}  // namespace

DeployedModel deploy(const Network& network, const quant::Plan& plan) {
  return Deployment(network, plan).run();
}

}  // namespace bitsmith::trainer
