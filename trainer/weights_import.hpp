#pragma once

#include <filesystem>

#include "trainer/network.hpp"

namespace bitsmith::trainer {

/// Loads parameters and running statistics from an .npz archive (numpy.savez) with the names and shapes of
/// Network::parameters() and buffers(): conv1.weight (O, I/groups, H, W), bn1.running_mean (C), fc.weight
/// (out, in) ... Arrays named NODE.num_batches_tracked (PyTorch) are passed over. Throws UserError that lists
/// all names that are missing, unknown (with the nearest) or of another shape, and all arrays with values
/// that are not finite or variances below zero; the network is then unchanged.
void import_weights(const std::filesystem::path& path, Network& network);

}  // namespace bitsmith::trainer
