#include "trainer/onnx/export_quantizers.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/onnx/export_operators.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr const char* kQonnxDomain = "qonnx.custom_op.general";
constexpr int kBinary = 1;

/// Integers as ONNX lays them out: bytes, or two to a byte, the first in the low half.
Tensor integer_tensor(ElementType type, Dims dims, const std::vector<std::int8_t>& values) {
  Tensor tensor = Tensor::make(type, std::move(dims));
  if (element_bits(type) == 8) {
    base::require(tensor.bytes.size() == values.size(), "onnx: as many weights as dims say");
    std::memcpy(tensor.bytes.data(), values.data(), values.size());
    return tensor;
  }
  base::require(tensor.bytes.size() == (values.size() + 1) / 2, "onnx: as many weights as dims say");
  for (std::size_t i = 0; i < values.size(); ++i)
    tensor.bytes[i / 2] |= static_cast<std::byte>((values[i] & 0xf) << (i % 2 * 4));
  return tensor;
}

class Qdq final : public Quantizers {
 public:
  explicit Qdq(bool has_four_bit_activations) : has_four_bit_activations_(has_four_bit_activations) {}

  IntegerType type_of(quant::IntegerRange range) const override {
    if (has_four_bit_activations_) return integer_type_of(range);
    return range.low < 0 ? IntegerType{ElementType::int8, {-128, 127}}
                         : IntegerType{ElementType::uint8, {0, 255}};
  }

  Written activation(GraphWriter& graph, const Target& as, const Written& x, Bounds bounds, float scale,
                     quant::IntegerRange range, const std::string& base) const override {
    const IntegerType integers = type_of(range);
    if (range.low > integers.range.low)
      bounds.low = std::max(bounds.low, static_cast<float>(range.low) * scale);
    if (range.high < integers.range.high)
      bounds.high = std::min(bounds.high, static_cast<float>(range.high) * scale);
    const Written clamped = write_clamp(graph, as, x, bounds.low, bounds.high);
    const std::string step = graph.constant(base + "/scale", scale);
    const std::string zero = graph.put(graph.fresh(base + "/zero_point"), zero_point(graph, integers.type));
    const std::string rounded =
        graph.add("QuantizeLinear", graph.fresh_target(base + "/quantized"), {clamped.name, step, zero});
    return {graph.add("DequantizeLinear", graph.fresh_target(base + "/dequantized"), {rounded, step, zero}),
            x.shape, x.flat};
  }

  std::string weight(GraphWriter& graph, const std::string& name, const WeightLevels& weight) const override {
    const ElementType type = integer_type_of(quant::integer_range(std::max(weight.bits, 2), true)).type;
    const auto channels = static_cast<std::int64_t>(weight.scales.size());
    const std::string levels =
        graph.put(graph.fresh(name + "/quantized"), integer_tensor(type, weight.dims, weight.levels));
    const std::string steps = graph.put(graph.fresh(name + "/scale"), {channels}, weight.scales);
    const std::string zeros = graph.put(graph.fresh(name + "/zero_point"), Tensor::make(type, {channels}));
    return graph.add("DequantizeLinear", {name, name}, {levels, steps, zeros},
                     {{"axis", integer_attribute(0)}});
  }

  bool is_native(quant::IntegerRange range) const override {
    const bool is_signed = range.low < 0;
    return range == quant::integer_range(8, is_signed) ||
           (has_four_bit_activations_ && range == quant::integer_range(4, is_signed));
  }
  bool is_native_weight(int bits) const override { return bits == 4 || bits == 8; }

 private:
  /// 0 of int8, but for files with 4-bit tensors: there signed integers are uint8 around 128, as ONNX Runtime
  /// (1.30) does not load int8 ones that it moves a Reshape or MaxPool onto.
  static Tensor zero_point(const GraphWriter& graph, ElementType type) {
    if (type != ElementType::int8 || graph.opset() < kFourBitOpset) return Tensor::make(type, {});
    Tensor zero = Tensor::make(ElementType::uint8, {});
    zero.as<std::uint8_t>()[0] = 128;
    return zero;
  }

  bool has_four_bit_activations_;
};

class Qonnx final : public Quantizers {
 public:
  IntegerType type_of(quant::IntegerRange range) const override { return {ElementType::float32, range}; }

  Written activation(GraphWriter& graph, const Target& as, const Written& x, Bounds bounds, float scale,
                     quant::IntegerRange range, const std::string& base) const override {
    const Written clamped = write_clamp(graph, as, x, bounds.low, bounds.high);
    const bool is_signed = range.low < 0;
    int bits = is_signed ? 2 : 1;
    while (quant::integer_range(bits, is_signed).high < range.high) ++bits;
    const std::string step = graph.constant(base + "/scale", scale);
    return {write_quant(graph, graph.fresh_target(base + "/quantized"), clamped.name, step, bits, is_signed,
                        base),
            x.shape, x.flat};
  }

  std::string weight(GraphWriter& graph, const std::string& name, const WeightLevels& weight) const override {
    const std::size_t channels = weight.scales.size(), each = weight.levels.size() / channels;
    std::vector<float> values(weight.levels.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = weight.scales[i / each] * static_cast<float>(weight.levels[i]);
    graph.put(name, weight.dims, values);
    Dims broadcast(weight.dims.size(), 1);
    broadcast.front() = static_cast<std::int64_t>(channels);
    std::vector<float> scales = weight.scales;
    if (weight.bits == kBinary)  // a sign is never 0, so the scale of a constant channel is
      for (std::size_t c = 0; c < channels; ++c)
        if (weight.levels[c * each] == 0) scales[c] = 0.0f;
    const std::string steps = graph.put(graph.fresh(name + "/scale"), std::move(broadcast), scales);
    const Target as = graph.fresh_target(name + "/quantized");
    if (weight.bits == kBinary) return graph.add("BipolarQuant", as, {name, steps}, {}, kQonnxDomain);
    return write_quant(graph, as, name, steps, weight.bits, true, name);
  }

  bool is_native(quant::IntegerRange) const override { return true; }
  bool is_native_weight(int) const override { return true; }

 private:
  static std::string write_quant(GraphWriter& graph, const Target& as, const std::string& x,
                                 const std::string& scale, int bits, bool is_signed,
                                 const std::string& base) {
    const std::string zero = graph.constant(base + "/zero_point", 0.0f);
    const std::string width = graph.constant(base + "/bits", static_cast<float>(bits));
    return graph.add("Quant", as, {x, scale, zero, width},
                     {{"signed", integer_attribute(is_signed ? 1 : 0)},
                      {"narrow", integer_attribute(is_signed ? 1 : 0)},
                      {"rounding_mode", text_attribute("ROUND")}},
                     kQonnxDomain);
  }
};

}  // namespace

IntegerType integer_type_of(quant::IntegerRange range) {
  if (range.low >= 0)
    return range.high <= 15 ? IntegerType{ElementType::uint4, {0, 15}}
                            : IntegerType{ElementType::uint8, {0, 255}};
  return range.low >= -8 && range.high <= 7 ? IntegerType{ElementType::int4, {-8, 7}}
                                            : IntegerType{ElementType::int8, {-128, 127}};
}

const Quantizers& quantizers_of(Dialect dialect) {
  static const Qdq qdq(false), four_bit_qdq(true);
  static const Qonnx qonnx;
  if (dialect == Dialect::qonnx) return qonnx;
  return dialect == Dialect::qdq ? qdq : four_bit_qdq;
}

Written write_dynamic_activation(GraphWriter& graph, const Written& x, quant::IntegerRange range,
                                 const std::string& base) {
  const auto part = [&](const char* what) { return graph.fresh_target(base + "/" + what); };
  const std::string magnitudes = graph.add("Abs", part("magnitudes"), {x.name});
  constexpr std::int64_t axes_are_inputs = 18;
  const std::vector<std::int64_t> axes =
      x.flat ? std::vector<std::int64_t>{1} : std::vector<std::int64_t>{1, 2, 3};
  std::vector<std::string> inputs{magnitudes};
  Attributes attributes{{"keepdims", integer_attribute(1)}};
  if (graph.opset() >= axes_are_inputs)
    inputs.push_back(graph.constant(base + "/axes", axes));
  else
    attributes["axes"] = integers_attribute(axes);
  const std::string largest =
      graph.add("ReduceMax", part("largest"), std::move(inputs), std::move(attributes));
  const auto high = static_cast<float>(range.high);
  const std::string step = graph.add("Div", part("step"), {largest, graph.constant(base + "/levels", high)});
  // As scale_of_threshold has it, but for an image of zeros, which any scale gives back.
  const std::string least = graph.constant(base + "/least", std::numeric_limits<float>::min());
  const std::string scale = graph.add("Max", part("scale"), {step, least});
  const std::string steps = graph.add("Div", part("steps"), {x.name, scale});
  const std::string rounded = graph.add("Round", part("rounded"), {steps});
  const std::string integers =
      graph.add("Clip", part("quantized"),
                {rounded, graph.constant(base + "/low", static_cast<float>(range.low)),
                 graph.constant(base + "/high", high)});
  return {graph.add("Mul", part("dequantized"), {integers, scale}), x.shape, x.flat};
}

}  // namespace bitsmith::trainer::onnx
