#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/onnx/layout.hpp"

namespace bitsmith::trainer::onnx {

/// What a QuantizeLinear does to a tensor of activations: integers of `bits` from `lowest` to `highest`,
/// counted from its zero point, times the scale. No bits: there is none.
struct ImportedQuantizer {
  int bits = 0;
  float scale = 0;
  int lowest = 0, highest = 0, zero_point = 0;
  bool operator==(const ImportedQuantizer&) const = default;
};

/// What an ONNX tensor is on the way through the graph: a constant, or a node's output seen through a layout.
struct ImportedValue {
  bool constant = false;
  Tensor tensor;  ///< constant
  int node = -1;  ///< else
  Layout layout;
  std::string weight;  ///< constant: the initializer that it is, maybe dequantized or transposed
  int bits = 0;        ///< constant: of integers that were dequantized, and their scales
  std::vector<float> scales;
  ImportedQuantizer quantizer;  ///< else: of the last pair of quantizers before it, if layers are to round
  bool levels = false;          ///< between the two of the pair
};

/// A use of an operator that has no counterpart; caught, and listed with all others.
struct Unsupported {
  std::string why;
};

/// A translation under way. Operators are in import_*.cpp, by family, and meet in the table of import.cpp.
class Importer {
 public:
  Importer(const Model& model, std::string source, std::optional<quant::Shape> input);
  ImportedNetwork run();

  using Rule = void (Importer::*)(const Node&);
  struct Row {
    std::string_view op;
    Rule rule;
  };

  // import_layers.cpp
  void conv(const Node&);
  void gemm(const Node&);
  void matmul(const Node&);
  void batch_norm(const Node&);
  void layer_norm(const Node&);
  // import_elements.cpp
  void add(const Node&);
  void subtract(const Node&);
  void multiply(const Node&);
  void divide(const Node&);
  void unary(const Node&);
  void clip(const Node&);
  void prelu(const Node&);
  void softmax(const Node&);
  // import_quantizers.cpp
  void quantize(const Node&);
  void dequantize(const Node&);
  // import_shapes.cpp
  void identity(const Node&);
  void shape_of(const Node&);
  void reshape(const Node&);
  void flatten(const Node&);
  void transpose(const Node&);
  void squeeze(const Node&);
  void unsqueeze(const Node&);
  void concat(const Node&);
  void split(const Node&);
  void slice(const Node&);
  void gather(const Node&);
  void pad(const Node&);
  void resize(const Node&);
  void expand(const Node&);
  // import_pools.cpp
  void max_pool(const Node&);
  void average_pool(const Node&);
  void global_average_pool(const Node&);
  void reduce_mean(const Node&);

 private:
  static constexpr const char* kConstantsAlone = "this operator is known for constants alone";
  static bool has_rule(const Node& node);
  void translate(const Node& node);
  // import_refusals.cpp
  std::optional<std::string> why_not(const Node& node);
  bool reads_stand_in(const Node& node) const;
  bool is_constant_at_heart(const Node& node) const;
  void stand_in(const Node& node);
  bool fold(const Node& node);
  /// What the output depends on, in order, with the operators that are written out as one node each.
  std::vector<const Node*> live_nodes();

  // What the rules work with.
  const ImportedValue& input(const Node& node, std::size_t index) const;
  bool has_input(const Node& node, std::size_t index) const;
  /// Which initializer an input is; empty where it is none, or not there.
  std::string initializer(const Node& node, std::size_t index) const;
  /// The values of a constant input as numbers. Throws Unsupported where it is no constant.
  std::vector<float> reals(const Node& node, std::size_t index) const;
  float scalar(const Node& node, std::size_t index) const;
  std::vector<std::int64_t> integers(const Node& node, std::size_t index) const;
  void give(const Node& node, ImportedValue value, std::size_t output = 0);
  void give(const Node& node, int made, Layout layout);
  /// N,C,H,W or N,C,W of a node's tensor.
  Layout image_layout(int made, std::size_t rank) const;
  /// The value with channels in the order of memory: shuffles them where they are not, and flattens where a
  /// dimension holds channels and pixels.
  ImportedValue settled(const Node& node, std::size_t index);
  /// Likewise, as NCHW or NCW.
  ImportedValue image(const Node& node, std::size_t index);
  void add_tokens(const Node& node);
  ImportedValue cut(const Node& node, const ImportedValue& x, int axis, std::int64_t begin,
                    std::int64_t count);
  std::string name_for(const Node& node, std::string_view weight = {});
  std::string unique(std::string name);
  /// `source`: the initializer that they are, if they are one.
  void set_numbers(const std::string& name, std::vector<float> values, const std::string& source = {});
  void note_shared_parameters();
  void note_bits(const std::string& layer, const ImportedValue& input, const ImportedValue& weight);
  void note_activation(const std::string& layer, const ImportedValue& input, ImportedBits& bits);
  void keep_exact_weight_scales();
  /// A constant that is broadcast over a tensor of the layout, of one image: what the file repeats for each
  /// of a batch is the same.
  Tensor of_one_image(const Tensor& constant, const Layout& layout) const;
  /// Refuses scales of quantizers that are not above 0 and finite.
  void check_scales(const Node& node) const;
  ImportedQuantizer quantizer_of(const Node& node) const;
  bool is_quantized_layer(const Node& node) const;
  void find_quantizers(const std::vector<const Node*>& nodes);
  /// Who reads what a tensor is behind pairs of such quantizers, beside layers with quantized weights.
  struct QuantizerReaders {
    bool others = false, output = false;
  };
  QuantizerReaders readers_of(const std::string& tensor, const ImportedQuantizer& quantizer) const;
  int quantized(const Node& node, int from, const ImportedQuantizer& quantizer, bool taken);
  const std::vector<const Node*>& consumers(std::string_view tensor) const;
  /// One value for each channel of the layout, of a constant that is broadcast over a tensor of it; empty
  /// where it is not constant over pixels.
  std::vector<float> per_channel(const Tensor& constant, const Layout& layout) const;
  std::vector<float> per_element(const Tensor& constant, const Layout& layout,
                                 const quant::Shape& shape) const;
  void add_constant(const Node& node, const ImportedValue& value, const ImportedValue& constant, float sign,
                    float factor);
  void scale_by(const Node& node, const ImportedValue& value, std::vector<float> factors,
                std::vector<float> summands);
  /// Whether one node of the file reads what a node of the network gives.
  bool is_read_once(int made) const;
  int linear_tokens(const Node& node, const ImportedValue& x, const ImportedValue& weight);
  quant::Window window(const Node& node, const ImportedValue& x, std::int64_t kernel_h, std::int64_t kernel_w,
                       bool ceil) const;

  const Model& model_;
  const Graph& graph_;
  std::string source_;
  std::optional<quant::Shape> wanted_input_;
  std::int64_t batch_ = 1;  ///< what it counts as in the file's shapes
  std::deque<Node> recognised_;
  std::map<std::string, ImportedValue, std::less<>> values_;
  std::set<std::string, std::less<>> constant_stand_ins_;  ///< would be constants, of unknown values
  std::map<std::string, int, std::less<>> readers_;
  std::map<std::string, std::vector<std::string>> parameters_of_initializer_;
  std::map<std::string, std::vector<const Node*>, std::less<>> consumers_;
  std::unordered_map<const Node*, ImportedQuantizer> quantizers_;
  bool quantizes_ = false;  ///< whether any layer's weights are quantized
  /// What is read in place of a node's tensor behind a quantizer; by the node, less what flattens it.
  struct QuantizedTensor {
    std::string_view tensor;
    int from;
    ImportedQuantizer quantizer;
    int result;
  };
  std::map<int, std::vector<QuantizedTensor>> quantized_;
  Budget folding_{0x1p32, kMostBytes};  ///< of all constants: seconds
  std::set<std::string> names_;
  std::unique_ptr<quant::NetworkBuilder> net_;
  ImportedNetwork result_;
};

}  // namespace bitsmith::trainer::onnx
