#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/results.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data/data.hpp"
#include "trainer/network.hpp"
#include "trainer/training/train_state.hpp"

namespace bitsmith::experiments {

struct TrainedNetwork {
  trainer::Network network;
  std::vector<TrainingPoint> curve;  ///< one point an epoch, from the first
  TrainingSteps steps;
};

/// The fp32 network of a run: imported weights, a given checkpoint, the work folder's finished checkpoint of
/// the same training, or trained here, from where an interrupted training of the same identity stands. The
/// last checkpoint and that of the best weights so far are in the work folder.
TrainedNetwork obtain_network(const Config& config, const trainer::Data& data, const quant::NetworkInfo& info,
                              const Workspace& workspace, const Reporter& reporter);

/// Puts the same network into `network`, where nothing has to be trained for it: imported weights, a given
/// checkpoint, or what the work folder of config.output has of a finished training. Throws UserError else.
void load_network(const Config& config, const trainer::Data& data, trainer::Network& network);

/// The checkpoint of the training of that identity, if there is one; what else is there is kept under another
/// name (trained-earlier-1.h5), and the reporter says so.
std::optional<trainer::Checkpoint> earlier_checkpoint(const std::filesystem::path& file,
                                                      trainer::Network& network, const std::string& identity,
                                                      const Reporter& reporter);

TrainingPoint training_point(const trainer::EpochRecord& record);

/// Of the weights and running statistics: their share in a run's identity.
std::uint64_t weights_hash(const trainer::Network& network);

}  // namespace bitsmith::experiments
