#pragma once

#include <vector>

#include "trainer/deployed_model.hpp"

namespace bitsmith::trainer {

/// For each step, the real number that its output's integers count; 1 for f32, 0 where the model does not
/// know it (it is of a file without output scales, and only layers read these integers).
std::vector<float> step_scales(const DeployedModel& model);

/// What is known of the integers that a layer multiplies.
struct LayerScales {
  float input = 0;             ///< real number of one step; 0: fp32, unknown, or one for each image
  bool dynamic_input = false;  ///< a scale for each image
  std::vector<float> weights;  ///< DeployedStep::weight_scales
};
/// One for each of model.network.layers.
std::vector<LayerScales> layer_scales(const DeployedModel& model);

}  // namespace bitsmith::trainer
