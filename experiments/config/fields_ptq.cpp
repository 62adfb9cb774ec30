#include "experiments/config/fields.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

namespace {

std::optional<quant::Format> quantized_weights(std::string_view text) {
  const auto format = quant::weight_format(text);
  return format && !format->is_float() ? format : std::nullopt;
}

/// Signed ones too, as the images may be.
std::optional<quant::Format> quantized_activations(std::string_view text) {
  const auto format = quant::activation_format(text);
  return format && !format->is_float() && format->code() >= 2 ? format : std::nullopt;
}

void visit_adaround(FieldVisitor& visitor, trainer::ptq::AdaRoundOptions& options) {
  visitor.visit({.name = "iterations",
                 .meaning = "of learning which weights of a layer are rounded up",
                 .unit = "iterations",
                 .range = between(1, 1e6)},
                &options.iterations);
  visitor.visit(
      {.name = "learning_rate", .meaning = "of Adam; less for more iterations", .range = above_up_to(0, 1)},
      &options.learning_rate);
  visitor.visit({.name = "regularization",
                 .meaning = "weight of what draws every weight to one of its two levels",
                 .range = between(0, 10)},
                &options.regularization);
  visitor.visit({.name = "warmup",
                 .meaning = "share of the iterations without regularization",
                 .range = from_up_to_below(0, 1)},
                &options.warmup);
  visitor.visit({.name = "beta_start",
                 .meaning = "exponent of the regularization after the warm-up",
                 .range = above_up_to(0, 100)},
                &options.beta_start);
  visitor.visit({.name = "beta_end",
                 .meaning = "exponent at the end, along half a cosine",
                 .range = above_up_to(0, 100)},
                &options.beta_end);
}

void visit_centroids(FieldVisitor& visitor, trainer::ptq::CentroidOptions& options) {
  visitor.visit({.name = "iterations",
                 .meaning = "of moving a layer's centroids; 0: they stay the means of their clusters",
                 .unit = "iterations",
                 .range = between(0, 1e6)},
                &options.iterations);
  visitor.visit({.name = "learning_rate",
                 .meaning = "of Adam, in units of the layer's largest centroid",
                 .range = above_up_to(0, 1)},
                &options.learning_rate);
}

void visit_sample(FieldVisitor& visitor, trainer::ptq::SampleOptions& options) {
  visitor.visit({.name = "images",
                 .meaning = "training images, at most, that layers and biases are fitted to",
                 .unit = "images",
                 .range = between(1, 1e6)},
                &options.images);
  visitor.visit({.name = "positions",
                 .meaning = "output positions that a layer is fitted to, spread over the images",
                 .range = between(1, 1e7)},
                &options.positions);
  visitor.visit({.name = "batch", .meaning = "positions in one iteration", .range = between(1, 65536)},
                &options.batch);
}

}  // namespace

void visit_policy(FieldVisitor& visitor, quant::Format& weights, quant::Format& activations,
                  std::string& policy) {
  visitor.visit({.name = "weights",
                 .meaning = "format of every layer's but the first and last one's, which "
                            "quantization.first_layer_bits and last_layer_bits set: bits of integers, or a "
                            "name",
                 .format_of = quantized_weights,
                 .formats = quant::allowed_weight_formats()},
                &weights);
  visitor.visit({.name = "activations",
                 .meaning = "likewise; bits of integers",
                 .format_of = quantized_activations,
                 .formats = "2 to 8"},
                &activations);
  visitor.visit({.name = "policy",
                 .meaning = "bits of every layer, a YAML file as a run leaves it beside its results",
                 .empty = "weights and activations for all"},
                &policy);
}

void visit_fields(FieldVisitor& visitor, PtqConfig& options) {
  visit_choice(visitor,
               {.name = "mode",
                .meaning = "activations in fp32, in integers at scales found by calibration, or in integers "
                           "at a scale found for each image as it comes",
                .choices = {"weight_only", "static", "dynamic"}},
               options.mode);
  visit_policy(visitor, options.weights, options.activations, options.policy);
  trainer::ptq::PtqOptions& steps = options.steps;
  visitor.visit({.name = "fold_batch_norms",
                 .meaning = "into the weights and biases before them; equalize and absorb_biases need it"},
                &steps.fold_batch_norms);
  visitor.visit(
      {.name = "equalize",
       .meaning = "make the ranges of connected layers' channels equal: for one weight scale per tensor "
                  "(ReLU6 becomes ReLU)"},
      &steps.equalize);
  visitor.visit({.name = "absorb_biases",
                 .meaning = "move what a channel always has into the biases of the layer that reads it"},
                &steps.absorb_biases);
  visit_choice(
      visitor,
      {.name = "rounding",
       .meaning = "of integer weights: to the nearest level, or up or down as the layer's output wants it",
       .choices = {"nearest", "adaround"}},
      steps.rounding);
  visit_choice(visitor,
               {.name = "bias_correction",
                .meaning = "give layers their mean output back: not, from what batch norms know, from images",
                .choices = {"none", "analytic", "empirical"}},
               steps.bias_correction);
  visit_sample(visitor, steps.sample);
  visitor.begin_group("adaround", "learnt rounding of integers, layer by layer");
  visit_adaround(visitor, steps.adaround);
  visitor.end_group();
  visitor.begin_group("centroids", "codebooks of kmeans1 to kmeans8, fitted layer by layer");
  visit_centroids(visitor, steps.centroids);
  visitor.end_group();
}

}  // namespace bitsmith::experiments
