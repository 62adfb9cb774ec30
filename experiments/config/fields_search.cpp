#include "experiments/config/fields.hpp"
#include "quant/policy.hpp"
#include "search/action_space.hpp"

namespace bitsmith::experiments {

namespace {

void visit_ddpg(FieldVisitor& visitor, search::DdpgOptions& options) {
  visitor.visit({.name = "hidden",
                 .meaning = "units of the two hidden layers of actor and critic",
                 .unit = "units",
                 .range = between(1, 4096),
                 .min_size = 2,
                 .max_size = 2},
                &options.hidden);
  visitor.visit({.name = "actor_learning_rate", .meaning = "of Adam", .range = above_up_to(0, 1)},
                &options.actor_learning_rate);
  visitor.visit({.name = "critic_learning_rate", .meaning = "of Adam", .range = above_up_to(0, 1)},
                &options.critic_learning_rate);
  visitor.visit(
      {.name = "tau", .meaning = "rate at which the target networks follow", .range = above_up_to(0, 1)},
      &options.tau);
  visitor.visit({.name = "discount", .meaning = "of later rewards", .range = between(0, 1)},
                &options.discount);
  visitor.visit({.name = "batch", .meaning = "transitions per update", .range = between(1, 65536)},
                &options.batch);
  visitor.visit({.name = "replay_episodes",
                 .meaning = "capacity of the replay buffer",
                 .unit = "episodes",
                 .range = between(1, 100000)},
                &options.replay_episodes);
  visitor.visit({.name = "noise",
                 .meaning = "initial standard deviation of the exploration noise, of actions in 0..1",
                 .range = above_up_to(0, 10)},
                &options.noise);
  visitor.visit({.name = "noise_decay",
                 .meaning = "factor of the noise per episode after the warm-up",
                 .range = above_up_to(0, 1)},
                &options.noise_decay);
  visitor.visit({.name = "baseline_decay",
                 .meaning = "of the moving average of rewards that is subtracted",
                 .range = from_up_to_below(0, 1)},
                &options.baseline_decay);
}

}  // namespace

void visit_fields(FieldVisitor& visitor, search::EvaluatorOptions& options) {
  visitor.visit({.name = "finetune_steps",
                 .meaning = "optimiser steps per candidate; 0: calibration only",
                 .unit = "steps",
                 .range = between(0, 1e6)},
                &options.finetune_steps);
  visitor.visit({.name = "learning_rate", .meaning = "of these steps", .range = above_up_to(0, 100)},
                &options.learning_rate);
  visitor.visit({.name = "batch", .meaning = "images per step", .unit = "images", .range = between(1, 65536)},
                &options.batch);
  visitor.visit({.name = "validation_images",
                 .meaning = "how many of the validation images score a candidate; the finalists see all",
                 .unit = "images",
                 .range = between(1, 1e8)},
                &options.validation_images);
  visitor.visit(
      {.name = "recalibration_images",
       .meaning = "training images that renew the batch-norm statistics under the policy; 0: keep them",
       .unit = "images",
       .range = between(0, 1e6)},
      &options.recalibration_images);
}

void visit_fields(FieldVisitor& visitor, search::SearchOptions& options) {
  visit_choice(visitor, {.name = "agent", .meaning = "who proposes policies", .choices = {"ddpg"}},
               options.agent);
  visitor.visit({.name = "episodes",
                 .meaning = "policies evaluated by the agent, and by every method it is compared with",
                 .unit = "episodes",
                 .range = between(1, 1e6)},
                &options.episodes);
  visitor.visit({.name = "warmup_episodes",
                 .meaning = "of these, the first with random actions",
                 .unit = "episodes",
                 .range = between(0, 1e6)},
                &options.warmup_episodes);
  visitor.visit(
      {.name = "round",
       .meaning =
           "episodes proposed together and evaluated in parallel; part of the result, unlike `threads`",
       .unit = "episodes",
       .range = between(1, 1024)},
      &options.round);
  visitor.visit({.name = "weight_bits",
                 .meaning = "choices for weights: bits of integers, or names of formats",
                 .unit = "bits",
                 .format_of = search::searched_weight_format,
                 .formats = quant::allowed_weight_formats(),
                 .min_size = 1},
                &options.weight_bits);
  visitor.visit({.name = "activation_bits",
                 .meaning = "choices for activations; 32: fp32; 1 only where they are not negative",
                 .unit = "bits",
                 .format_of = search::searched_activation_format,
                 .formats = quant::allowed_activation_formats(),
                 .min_size = 1},
                &options.activation_bits);
  visit_choice(
      visitor,
      {.name = "tied_activations",
       .meaning = "layers that take what they read in one format: those that read one tensor, or one "
                  "residual stream; the default with network.model is tensor",
       .choices = {"none", "tensor", "residual"}},
      options.tied_activations);
  visit_choice(
      visitor,
      {.name = "reward",
       .meaning = "what an episode is rewarded for: accuracy as in the paper, or lower cross-entropy, which "
                  "tells near-equal policies apart; with evaluator.command the default is accuracy",
       .choices = {"accuracy", "cross_entropy"}},
      options.reward);
  visitor.visit({.name = "reward_scale",
                 .meaning = "factor of the reward (the paper's lambda, on accuracy in percent)",
                 .range = above_up_to(0, 1000)},
                &options.reward_scale);
  visitor.visit(
      {.name = "finalists",
       .meaning = "best policies of each method that are evaluated again before the winner is chosen",
       .range = between(1, 1000)},
      &options.finalists);
  visitor.begin_group("ddpg", "the agent of the paper: deep deterministic policy gradient");
  visit_ddpg(visitor, options.ddpg);
  visitor.end_group();
}

}  // namespace bitsmith::experiments
