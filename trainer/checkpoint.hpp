#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/network.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::trainer {

/// What a training needs, besides the network, to go on bit for bit where it stood.
struct Checkpoint {
  TrainState state;
  std::uint64_t seed = 0;    ///< of the batch source: with state.step, the whole random state
  std::string run_identity;  ///< whose training this is: config, data; free text, compared by equality
};

/// Writes network and checkpoint to an HDF5 file, atomically. Layout (format version 2), all arrays 32-bit
/// floats unless said otherwise:
///   attributes of /: format, format_version, network, network_hash, run_identity, seed, step, total_steps,
///   epoch, loss
///   /parameters/NAME, /buffers/NAME: values in the shape that Network::parameters() and buffers() have,
///   those that the quantization adds among them /optimizer: attribute steps; /optimizer/first/NAME,
///   /optimizer/second/NAME, per parameter, where there are any /quantization/LAYER: attributes weight_bits
///   (a quant::Format's code), per_channel, activation_bits, activation_signed, activation_scale, and
///   activation_dynamic where it is 1; weight_method, activation_method (names), folds_batch_norm and
///   observes_input where they are not the default; datasets weight_clip and weight_scales where there are
///   any /training: attributes finished; sum_loss, sum_correct, sum_steps, sum_images (the present epoch);
///   stopping_any, stopping_best, stopping_best_epoch, stopping_waited; watch_losses, watch_average,
///   watch_best; rollbacks, rate_factor. /training/curve (64 bits, epochs x 6): epoch, learning rate, loss,
///   accuracy, validation loss, validation accuracy. /training/losses: means over `stride` steps each, and
///   what is pending
///   /average/parameters, /average/buffers (attribute updates), where the weights are averaged and training
///   is not finished; /best/parameters, /best/buffers, likewise with early stopping
///   /last_good: in the middle of an epoch, its start: attribute step, parameters, buffers, optimizer,
///   average, losses, all as above
/// Version 1 has neither /training nor what follows it.
void save_checkpoint(const std::filesystem::path& path, const Network& network, const Checkpoint& checkpoint);

/// Puts parameters, buffers and quantization into `network` and returns the rest. Throws UserError, leaving
/// `network` as it was, for files that are damaged, of another format version or of another network (names
/// the first parameter that differs and both shapes), that hold values that are not finite, or that belong to
/// another run; an empty `run_identity` takes any run's.
Checkpoint load_checkpoint(const std::filesystem::path& path, Network& network,
                           std::string_view run_identity = {});

/// The learning curve in a checkpoint; empty in one of version 1. Throws UserError for files that are no
/// checkpoints.
std::vector<EpochRecord> load_curve(const std::filesystem::path& path);

/// The network that the training of a checkpoint has made so far, to be used and not to be trained on: the
/// averaged weights where there are any. Throws like load_checkpoint.
void load_trained(const std::filesystem::path& path, Network& network);

}  // namespace bitsmith::trainer
