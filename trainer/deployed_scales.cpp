#include "trainer/deployed_scales.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

namespace {

/// Whether it moves integers, or picks some, and gives them on as they are.
bool keeps_storage(quant::StepKind kind) {
  using enum quant::StepKind;
  return kind == max_pool || kind == flatten || kind == slice || kind == shuffle || kind == pad ||
         kind == resize;
}

}  // namespace

std::vector<float> step_scales(const DeployedModel& model) {
  std::vector<float> scales;
  for (const DeployedStep& deployed : model.steps) {
    const quant::Step& step = deployed.step;
    scales.push_back(step.to == quant::Storage::f32        ? 1.0f
                     : step.kind == quant::StepKind::layer ? deployed.output_scale
                                                           : deployed.other.scale);
  }
  // What does not say its own is told by who reads it.
  for (const DeployedStep& deployed : model.steps) {
    const quant::Step& step = deployed.step;
    if (step.kind == quant::StepKind::layer) continue;
    const auto learn = [&](int source, quant::Storage from, float scale) {
      if (source < 0 || from == quant::Storage::f32) return;
      float& known = scales[static_cast<std::size_t>(source)];
      if (known == 0) known = scale;
    };
    learn(step.first, step.from, keeps_storage(step.kind) ? deployed.other.scale : deployed.other.in_scale);
    learn(step.second, step.second_from, deployed.other.second_scale);
  }
  return scales;
}

std::vector<LayerScales> layer_scales(const DeployedModel& model) {
  const std::vector<float> of_steps = step_scales(model);
  std::vector<LayerScales> scales(model.network.layers.size());
  for (const DeployedStep& deployed : model.steps) {
    const quant::Step& step = deployed.step;
    if (step.kind != quant::StepKind::layer) continue;
    LayerScales& found = scales[static_cast<std::size_t>(step.layer)];
    found.weights = deployed.weight_scales;
    found.dynamic_input = step.dynamic_bits > 0;
    if (found.dynamic_input ||
        model.policy.layers[static_cast<std::size_t>(step.layer)].activation.is_float())
      continue;
    // Decoded weights meet the values of integers, which a step of its own makes of these.
    int integers = step.first;
    if (step.from == quant::Storage::f32)
      integers = model.steps.at(static_cast<std::size_t>(step.first)).step.first;
    base::require(integers >= 0, "a quantized layer reads the images");
    found.input = of_steps[static_cast<std::size_t>(integers)];
  }
  return scales;
}

}  // namespace bitsmith::trainer
