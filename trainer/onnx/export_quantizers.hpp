#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "quant/quantizer.hpp"
#include "trainer/onnx/graph_writer.hpp"

namespace bitsmith::trainer::onnx {

inline constexpr std::int64_t kFourBitOpset = 21;  ///< the first with int4 and uint4

/// Integers of a quantized tensor in a file.
struct IntegerType {
  ElementType type = ElementType::int8;
  quant::IntegerRange range;  ///< that the type saturates at

  bool is_four_bits() const { return type == ElementType::int4 || type == ElementType::uint4; }
};
/// The narrowest.
IntegerType integer_type_of(quant::IntegerRange range);

/// What a tensor is clamped to before it is rounded; infinite: not at all.
struct Bounds {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

/// How levels of a layer's weights become real numbers: weight = scale[c] * level.
struct WeightLevels {
  std::vector<std::int8_t> levels;  ///< O and the rest
  std::vector<float> scales;        ///< [O], above 0
  Dims dims;
  int bits = 8;  ///< of the levels: narrow signed integers; 1: -1 and +1
};

/// One way to write quantization down.
class Quantizers {
 public:
  virtual ~Quantizers() = default;
  /// What activations of these levels are in the file.
  virtual IntegerType type_of(quant::IntegerRange range) const = 0;
  /// `x` clamped to `bounds`, then on the levels scale * range.low .. scale * range.high. What is clamped is
  /// called `as`, what is rounded after `base`.
  virtual Written activation(GraphWriter& graph, const Target& as, const Written& x, Bounds bounds,
                             float scale, quant::IntegerRange range, const std::string& base) const = 0;
  /// The tensor that a layer multiplies by.
  virtual std::string weight(GraphWriter& graph, const std::string& name,
                             const WeightLevels& levels) const = 0;
  /// Of activations and weights: whether the file has integers of just this width.
  virtual bool is_native(quant::IntegerRange range) const = 0;
  virtual bool is_native_weight(int bits) const = 0;
};
const Quantizers& quantizers_of(Dialect dialect);

/// The values of `x` on integers at a scale for each image, its largest magnitude: as
/// quant/kernels/dynamic_layer does it, in fp32 operators of every dialect.
Written write_dynamic_activation(GraphWriter& graph, const Written& x, quant::IntegerRange range,
                                 const std::string& base);

}  // namespace bitsmith::trainer::onnx
