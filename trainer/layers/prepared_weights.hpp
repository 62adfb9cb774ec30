#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <vector>

namespace bitsmith::trainer {

/// A layer's weights in the layouts and types that its primitives want.
class PreparedWeights {
 public:
  /// `plain`: the Parameter's own layout, in f32.
  explicit PreparedWeights(const dnnl::memory::desc& plain) : plain_(plain) {}

  /// The weights as `wanted`, from the next fill on. s8 are filled from levels, other types from values.
  /// `backward`: only backward needs them.
  const dnnl::memory& as(const dnnl::memory::desc& wanted, bool backward);
  void fill(const float* values, const std::int8_t* levels, bool for_backward);

 private:
  struct Entry {
    dnnl::memory memory, source;
    dnnl::reorder reorder;
    bool levels = false, backward = false;
  };

  dnnl::memory::desc plain_;
  std::vector<Entry> entries_;
};

}  // namespace bitsmith::trainer
