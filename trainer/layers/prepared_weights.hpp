#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <span>
#include <vector>

namespace bitsmith::trainer {

/// A layer's weights in the layouts and types that its primitives want.
class PreparedWeights {
 public:
  /// `plain`: the Parameter's own layout, in f32.
  explicit PreparedWeights(const dnnl::memory::desc& plain) : plain_(plain) {}

  enum class Use { values, levels, backward_values };

  /// The weights as `wanted`, from the next fill on: as real numbers, or as the levels of their integers;
  /// those that only backward needs are left out where it does not follow.
  const dnnl::memory& as(const dnnl::memory::desc& wanted, Use use);
  /// `levels`: empty where the weights are no integers.
  void fill(const float* values, std::span<const std::int8_t> levels, bool for_backward);

 private:
  struct Entry {
    dnnl::memory memory, source;
    dnnl::reorder reorder;
    Use use = Use::values;
  };

  dnnl::memory::desc plain_;
  std::vector<Entry> entries_;
  std::vector<float> level_values_;  ///< levels, for what is not made of bytes
};

}  // namespace bitsmith::trainer
