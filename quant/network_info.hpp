#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quant/functions.hpp"

namespace bitsmith::quant {

/// What a node computes, in ONNX's vocabulary (Conv, Gemm, BatchNormalization, Relu, Clip(0,6), ...).
enum class Op {
  input,
  conv,
  linear,
  batch_norm,
  relu,
  relu6,
  max_pool,
  average_pool,
  global_average_pool,
  add,
  flatten,
  quantize,  ///< 8-bit integers from here on, where the network is quantized (ONNX: QuantizeLinear,
             ///< DequantizeLinear)
  // Transformers. Tokens are pixels: a linear layer of each token is a 1x1 convolution.
  layer_norm,  ///< over the channels of each pixel
  gelu,        ///< x * Phi(x)
  softmax,     ///< over each of `groups` equal runs of a pixel's channels
  matmul,      ///< of two tensors, head by head: see NetworkBuilder::matmul
  position,    ///< adds a parameter for every pixel and channel
  // What imported networks need besides.
  function,  ///< element by element: see Function
  prelu,     ///< x, times a parameter of its channel where negative
  scale,     ///< times a parameter of each channel, plus another
  multiply,  ///< of two tensors of one shape, or of a tensor and one value for each of its channels
  concat,    ///< the channels of two tensors, one after the other
  slice,     ///< consecutive channels
  shuffle,   ///< the channels of `groups` runs in turns: see shuffled_from
  pad,       ///< with pixels of one value
  resize     ///< each pixel several times: nearest neighbour by whole factors
};
/// Operations that read two tensors.
bool has_two_inputs(Op op);
std::string_view op_name(Op op);
/// Which of `channels` a shuffle puts at place `c`: the c / groups-th of run c % groups (Zhang et al. 2018,
/// section 3.1).
constexpr int shuffled_from(int c, int channels, int groups) {
  return c % groups * (channels / groups) + c / groups;
}

/// One image's activation. Tensors are stored N, H, W, C (channels innermost), whatever the network.
struct Shape {
  int channels = 0, height = 1, width = 1;
  std::int64_t elements() const { return std::int64_t{channels} * height * width; }
  std::int64_t pixels() const { return std::int64_t{height} * width; }
  bool operator==(const Shape&) const = default;
};

/// The sliding window of a convolution or pooling. Padding is zeros (convolution), ignored (max) or left out
/// of the divisor (average: ONNX's count_include_pad = 0).
struct Window {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;

  static Window square(int kernel, int stride = 1, int pad = 0, int dilation = 1) {
    return {kernel, kernel, stride, stride, dilation, dilation, pad, pad, pad, pad};
  }
  int output_height(int height) const {
    return (height + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  int output_width(int width) const {
    return (width + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
  bool operator==(const Window&) const = default;
};

/// One operation of a network: a plain description, no weights.
struct Node {
  std::string name;  ///< unique; a layer's name in policies, tables and checkpoints
  Op op = Op::input;
  std::vector<int> inputs;  ///< indices of earlier nodes
  Window window;  ///< conv, max_pool, average_pool; pad: its padding; resize: factors are its strides
  bool counts_padding = false;  ///< average_pool: zeros of the padding are in the mean
  int groups = 1;          ///< conv; groups == input channels is depthwise. softmax, matmul: heads. shuffle
  bool bias = false;       ///< conv, linear
  float epsilon = 1e-5f;   ///< batch_norm, layer_norm
  bool transpose = false;  ///< matmul
  float factor = 1;        ///< matmul; pad: the value of its pixels
  Function function = Function::sigmoid;  ///< function
  float alpha = 0, beta = 0;              ///< likewise
  int begin = 0;                          ///< slice: its first channel
  Shape output;
  bool output_signed = true;  ///< whether the output can be negative (false after ReLU, and kept by pooling)
};

enum class LayerKind { conv, depthwise, linear };
std::string_view layer_kind_name(LayerKind kind);

/// A quantizable layer (conv or linear): all that a kernel, a price or an observation needs to know of it.
struct LayerInfo {
  std::string name;
  int node = 0;  ///< index in NetworkInfo::nodes
  LayerKind kind = LayerKind::conv;
  Shape input, output;
  Window window;  ///< 1x1 for linear
  int groups = 1;
  bool bias = false;
  bool input_signed = true;

  std::int64_t weights() const;  ///< number of weights, bias not counted
  std::int64_t macs() const;     ///< multiply-accumulates per image
};

/// The currency between folders: what a network is, without its numbers. Nodes are in topological order, node
/// 0 is the one input, the last node is the output. Built by trainer/networks (and by import); `layers`
/// follows from `nodes`.
struct NetworkInfo {
  std::string name;
  std::vector<Node> nodes;
  std::vector<LayerInfo> layers;  ///< in execution order: the order of a Policy's entries
  /// Groups of parameters, by name ("conv1.weight"), that are one: each node has a copy, and what changes one
  /// changes all.
  std::vector<std::vector<std::string>> shared_parameters;

  /// The nodes that read each node's output, ascending.
  std::vector<std::vector<int>> consumers() const;
  /// Index in `layers` by name, or -1.
  int find_layer(std::string_view name) const;
  std::vector<int> quantize_nodes() const;  ///< ascending
  std::uint64_t hash() const;               ///< of everything that changes what is computed or priced
};

/// Builds a NetworkInfo node by node, inferring shapes and signs. Every method returns the new node's index.
/// Throws UserError for shapes that do not fit (names the node, got and expected), and for tensors or weights
/// of more than kMostElements.
class NetworkBuilder {
 public:
  static constexpr std::int64_t kMostElements = std::int64_t{1}
                                                << 30;  ///< of one image's tensor, or of weights
  static constexpr int kLargestWindow = 1 << 14;        ///< of kernels, strides, dilations and padding
  static constexpr int kMostInner = 1 << 15;  ///< products in a sum of a matmul: integer sums fit 32 bits

  NetworkBuilder(std::string network_name, Shape input);

  int input() const { return 0; }
  int conv(const std::string& name, int from, int out_channels, Window window, int groups = 1,
           bool bias = false);
  int linear(const std::string& name, int from, int out_features, bool bias = true);
  int batch_norm(const std::string& name, int from, float epsilon = 1e-5f);
  int relu(const std::string& name, int from);
  int relu6(const std::string& name, int from);
  int max_pool(const std::string& name, int from, Window window);
  /// `counts_padding`: the divisor is the window's size, whatever part of it is padding.
  int average_pool(const std::string& name, int from, Window window, bool counts_padding = false);
  int global_average_pool(const std::string& name, int from);
  int add(const std::string& name, int a, int b);
  int flatten(const std::string& name, int from);
  int quantize(const std::string& name, int from);
  int layer_norm(const std::string& name, int from, float epsilon = 1e-5f);
  int gelu(const std::string& name, int from);
  /// Over each of `groups` equal runs of channels.
  int softmax(const std::string& name, int from, int groups = 1);
  /// factor * A * B for each of `heads` equal runs of channels: a row of A is a pixel of `a`; B is `b` with
  /// its pixels as rows, or as columns where `transpose`. The result has the pixels of `a`, and of each head
  /// all columns as channels. Attention is matmul(P, V) with P = softmax(matmul(Q, K, transpose)).
  int matmul(const std::string& name, int a, int b, int heads, bool transpose, float factor = 1);
  int position(const std::string& name, int from);
  int function(const std::string& name, int from, Function function, float alpha = 0, float beta = 0);
  int prelu(const std::string& name, int from);
  int scale(const std::string& name, int from);
  /// `b` has the shape of `a`, or one pixel of as many channels.
  int multiply(const std::string& name, int a, int b);
  int concat(const std::string& name, int a, int b);
  int slice(const std::string& name, int from, int begin, int channels);
  int shuffle(const std::string& name, int from, int groups);
  int pad(const std::string& name, int from, int top, int left, int bottom, int right, float value = 0);
  int resize(const std::string& name, int from, int factor_h, int factor_w);
  /// A node whose shape and sign are known already, its inputs being nodes of this builder.
  int copy(Node node) { return push(std::move(node)); }
  Shape shape(int node) const { return info_.nodes[static_cast<std::size_t>(node)].output; }
  const Node& node(int index) const { return info_.nodes[static_cast<std::size_t>(index)]; }
  /// Gives a conv or linear layer a bias that it was built without.
  void add_bias(int layer) { info_.nodes[static_cast<std::size_t>(layer)].bias = true; }
  /// Puts another function without parameters in the place of one.
  void change_function(int node, Function function);

  NetworkInfo build() &&;

 private:
  int push(Node node);
  /// Of `op`, reading `from`: with its shape and sign.
  Node like(const std::string& name, Op op, int from) const;

  NetworkInfo info_;
};

}  // namespace bitsmith::quant
