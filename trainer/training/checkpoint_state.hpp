#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quant/base/hdf5.hpp"
#include "trainer/network.hpp"
#include "trainer/training/train_state.hpp"

namespace bitsmith::trainer {

/// One vector per parameter, or per buffer, read from the datasets of a group and checked.
using ReadValues = std::function<std::vector<std::vector<float>>(const std::string& group)>;

/// The groups /optimizer, /training, /average, /best and /last_good of a checkpoint (layout: checkpoint.hpp).
void write_train_state(base::hdf5::File& file, const Network& network, const TrainState& state);

/// The same, of a checkpoint of format `version`; what version 1 lacks is as at the start of an epoch.
TrainState read_train_state(const base::hdf5::File& file, std::int64_t version,
                            const ReadValues& read_parameters, const ReadValues& read_buffers);

/// The learning curve alone, of version 2.
std::vector<EpochRecord> read_curve(const base::hdf5::File& file);

}  // namespace bitsmith::trainer
