#pragma once

#include <string>
#include <vector>

#include "quant/formats/format.hpp"

namespace bitsmith::search {

enum class AgentKind { ddpg };
enum class RewardKind { accuracy, cross_entropy };
/// Which layers take what they read in one format: none together, those that read one tensor, or those that
/// read tensors of one residual stream (quant/tied_layers.hpp).
enum class TiedActivations { none, tensor, residual };

/// DDPG as in HAQ (Wang et al. 2019, sections 3.6 and 3.7; Lillicrap et al. 2016).
struct DdpgOptions {
  std::vector<int> hidden = {400, 300};  ///< units of the two hidden layers of actor and critic
  double actor_learning_rate = 1e-4;
  double critic_learning_rate = 1e-3;
  double tau = 0.01;  ///< soft update of the target networks
  double discount = 1.0;
  int batch = 64;
  int replay_episodes = 64;  ///< capacity of the replay buffer, in episodes
  double noise = 0.5;        ///< initial standard deviation of the truncated-normal exploration noise
  /// Per episode after the warm-up. HAQ's 0.99 is for 600 episodes; in 100 it would leave the noise at 0.22
  /// to the end, where 0.96 leaves 0.02.
  double noise_decay = 0.96;
  double baseline_decay = 0.95;  ///< of the moving average of rewards that is subtracted
};

struct SearchOptions {
  AgentKind agent = AgentKind::ddpg;
  int episodes = 100;        ///< evaluations of the agent, and of every baseline it is compared with
  int warmup_episodes = 20;  ///< random actions before the agent acts; included in `episodes`
  int round = 4;             ///< episodes proposed together and evaluated in parallel: part of the result
  std::vector<quant::Format> weight_bits = {2, 3, 4, 5, 6, 7, 8};  ///< choices, in any order
  std::vector<quant::Format> activation_bits = {2, 3, 4, 5, 6, 7, 8};
  TiedActivations tied_activations = TiedActivations::none;
  RewardKind reward = RewardKind::cross_entropy;
  double reward_scale = 0.1;  ///< HAQ's lambda, on accuracy in percent
  int finalists = 3;          ///< of each method: fine-tuned for longer before the winner is chosen
  DdpgOptions ddpg;
};

/// The built-in evaluator: calibrate, fine-tune, validate.
struct EvaluatorOptions {
  int finetune_steps = 8;  ///< optimiser steps per candidate; 0: post-training only
  double learning_rate = 0.01;
  int batch = 128;
  int validation_images = 2000;    ///< first so many of the validation part; the finalists see all of it
  int recalibration_images = 512;  ///< for batch-norm statistics under the policy; 0: keep
};

}  // namespace bitsmith::search
