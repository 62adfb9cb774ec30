#pragma once

#include <dnnl.hpp>
#include <vector>

#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// The gradients of a product's weights and bias: sums over the pieces of each part, then over the parts in
/// order.
class ProductGradient {
 public:
  /// `plain`: the Parameter's own layout.
  explicit ProductGradient(const dnnl::memory::desc& plain) : plain_(plain) {}

  /// `layout`: of the primitive that computes them; the same for every number of samples. `bias`: empty
  /// without one.
  void reserve(int parts, const dnnl::memory::desc& layout, const dnnl::memory::desc& bias);

  /// Where a piece of a part writes its gradients; `first`: it begins the part's sums.
  const dnnl::memory& weights_of_piece(int part, bool first) const;
  const dnnl::memory& bias_of_piece(int part, bool first) const;
  /// When it has.
  void end_piece(int part, bool first);

  /// All parts' sums; those of the weights times `scale`.
  void reduce(int parts, float scale, Parameter& weight, Parameter* bias);

 private:
  struct Sums {
    dnnl::memory weights, bias;
  };
  struct OfPart {
    Sums total, piece;
  };

  dnnl::memory::desc plain_, layout_;
  std::vector<OfPart> parts_;
  dnnl::memory plain_sum_;
  dnnl::reorder to_plain_;
};

}  // namespace bitsmith::trainer
