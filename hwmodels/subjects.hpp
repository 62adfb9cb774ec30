#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "hwmodels/candidates.hpp"
#include "hwmodels/measurement.hpp"
#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::hwmodels {

/// Activations that all subjects read and write: valid values of each storage and width, the output of none
/// is the input of another.
class Activations {
 public:
  explicit Activations(std::uint64_t seed) : seed_(seed) {}

  /// Room for `elements` of any storage; call for every candidate before the first input() or output().
  void reserve(std::int64_t elements);
  /// Numbers that a step reads: integers of `bits` bits, or floats in [-1, 1).
  const void* input(quant::Storage storage, int bits);
  void* output();

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  using Buffer = std::unique_ptr<std::byte[], Free>;
  Buffer allocate() const;

  std::uint64_t seed_;
  std::int64_t elements_ = 0;
  std::map<std::pair<quant::Storage, int>, Buffer> inputs_;
  Buffer output_;
};

/// Prepares the candidate's kernel, and for a layer copies of it with weights of their own. `cold_bytes`
/// bounds the copies' memory; there is always one.
std::unique_ptr<Subject> make_subject(const Candidate& candidate, Activations& activations,
                                      std::int64_t cold_bytes, std::uint64_t seed);

}  // namespace bitsmith::hwmodels
