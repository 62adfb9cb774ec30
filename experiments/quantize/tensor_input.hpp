#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bitsmith::experiments {

/// A tensor as its file has it: float32 or float64, C order.
struct TensorInput {
  std::vector<std::int64_t> shape;
  std::vector<float> floats;    ///< of float32; of float64 the same, rounded
  std::vector<double> doubles;  ///< of float64
  std::string source;           ///< file and dataset, for people
  bool is_double() const { return !doubles.empty(); }
};

/// Reads `file`: .npy; .npz, whose array `dataset` names (it may be left out where there is one); .h5 or
/// .hdf5, likewise. FILE:DATASET in `file` names both. Throws UserError for files that are missing, damaged,
/// of another kind than their name says, or hold anything but float32 and float64 numbers.
TensorInput read_tensor(const std::string& file, const std::string& dataset);

/// The file alone of what read_tensor is given.
std::string tensor_file(const std::string& file, const std::string& dataset);

}  // namespace bitsmith::experiments
