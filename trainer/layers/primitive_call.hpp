#pragma once

#include <array>
#include <dnnl.hpp>

namespace bitsmith::trainer {

/// A oneDNN primitive with its arguments. Running it allocates nothing of ours, unlike execute() with a map.
class PrimitiveCall {
 public:
  PrimitiveCall() = default;
  explicit PrimitiveCall(dnnl::primitive primitive) : primitive_(std::move(primitive)) {}

  explicit operator bool() const { return static_cast<bool>(primitive_); }
  /// Adds an argument, or replaces what was bound to it. At most kMost.
  void bind(int argument, const dnnl::memory& memory);
  /// Where a bound argument's values are. oneDNN has no const pointers; inputs are only read.
  void point(int argument, const void* values);
  /// On the calling thread's stream.
  void run() const;

 private:
  static constexpr int kMost = 7;

  int find(int argument) const;

  dnnl::primitive primitive_;
  std::array<dnnl::memory, kMost> memories_;
  std::array<dnnl_exec_arg_t, kMost> arguments_{};
  int count_ = 0;
};

}  // namespace bitsmith::trainer
