#pragma once

#include <string>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/onnx/graph_writer.hpp"

/// The operations of quant::Op as ONNX nodes. Each gives what `as` names; helpers that it needs are called
/// after it. Shapes are checked where networks are built.
namespace bitsmith::trainer::onnx {

/// N x C x H x W, N x C: by a node of its own where the tensor is not that already.
Written as_image(GraphWriter& graph, const Written& x);
Written as_flat(GraphWriter& graph, const Written& x);

/// Conv, or Gemm for a linear layer. `weight` and `bias` are tensors: O, I/groups, H, W (linear: O, I), and
/// O; an empty bias: none. Throws UserError for a linear layer that reads several pixels of several channels.
Written write_layer(GraphWriter& graph, const quant::LayerInfo& layer, const Target& as, const Written& x,
                    const std::string& weight, const std::string& bias);

/// An operation with one input and no attributes that leaves the shape alone.
Written write_unary(GraphWriter& graph, const char* op, const Target& as, const Written& x);
/// To low..high; infinite: not at all. Relu for 0..infinity; x itself where both are.
Written write_clamp(GraphWriter& graph, const Target& as, const Written& x, float low, float high);
Written write_add(GraphWriter& graph, const Target& as, const Written& a, const Written& b);
/// Throws UserError where a window can lie in the padding alone: ONNX has no value for it.
Written write_pool(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x);
/// Also one whose input has one pixel.
Written write_flatten(GraphWriter& graph, const Target& as, const Written& x);

/// gamma, beta: tensors, one number a channel.
Written write_layer_norm(GraphWriter& graph, const Target& as, const Written& x, const std::string& gamma,
                         const std::string& beta, float epsilon);
Written write_gelu(GraphWriter& graph, const Target& as, const Written& x);
Written write_softmax(GraphWriter& graph, const Target& as, const Written& x, int groups);
Written write_matmul(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& a,
                     const Written& b);
/// `values`: H, W, C, as the trainer has them; written as C, H, W under the name `weight`.
Written write_position(GraphWriter& graph, const Target& as, const Written& x, const std::string& weight,
                       const std::vector<float>& values);

// export_image_operators.cpp: what imported networks have besides.
Written write_function(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x);
/// `slope`: a tensor, with one number for each channel: see channel_dims.
Written write_prelu(GraphWriter& graph, const Target& as, const Written& x, const std::string& slope);
/// x * factors + summands, likewise.
Written write_scale(GraphWriter& graph, const Target& as, const Written& x, const std::string& factors,
                    const std::string& summands);
Written write_multiply(GraphWriter& graph, const Target& as, const Written& a, const Written& b);
/// concat, slice, shuffle, pad, resize.
Written write_concat(GraphWriter& graph, const Target& as, const Written& a, const Written& b);
Written write_moved(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x);
/// Of a tensor with a number for each channel that is broadcast over x.
Dims channel_dims(const Written& x);

/// The least opset that has what these write for the network.
std::int64_t least_opset(const quant::NetworkInfo& info);

}  // namespace bitsmith::trainer::onnx
