#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "trainer/onnx/export.hpp"
#include "trainer/onnx/export_operators.hpp"
#include "trainer/onnx/tensor_names.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Op;

class FloatExport {
 public:
  FloatExport(const Network& network, const ExportNames& names)
      : network_(network),
        info_(network.info()),
        export_names_(names),
        names_(network.info(), names),
        graph_(least_opset(network.info()), names_.taken()) {}

  Model run() && {
    written_.push_back({export_names_.input, info_.nodes.front().output, false});
    for (int i = 1; i < static_cast<int>(info_.nodes.size()); ++i) written_.push_back(write(i));
    return std::move(graph_).finish(info_, written_.back(), export_names_);
  }

 private:
  const Written& input(const quant::Node& node, std::size_t which = 0) const {
    return written_[static_cast<std::size_t>(node.inputs[which])];
  }

  const std::vector<float>& parameter(const std::string& name) const {
    const Parameter* found = network_.find_parameter(name);
    base::require(found != nullptr, "onnx: a network without one of its parameters");
    return found->value;
  }

  /// Puts a parameter, with the trainer's dims, and returns what it is called.
  std::string put(int index, const char* what) {
    const Parameter* found = network_.find_parameter(
        fmt::format("{}.{}", info_.nodes[static_cast<std::size_t>(index)].name, what));
    base::require(found != nullptr, "onnx: a network without one of its parameters");
    return graph_.put(names_.parameter(index, what), Dims(found->shape.begin(), found->shape.end()),
                      found->value);
  }

  /// One that is broadcast over x.
  std::string put_channels(int index, const char* what, const Written& x) {
    return graph_.put(
        names_.parameter(index, what), channel_dims(x),
        parameter(fmt::format("{}.{}", info_.nodes[static_cast<std::size_t>(index)].name, what)));
  }

  std::string put_buffer(int index, const char* what) {
    const Buffer* found =
        network_.find_buffer(fmt::format("{}.{}", info_.nodes[static_cast<std::size_t>(index)].name, what));
    base::require(found != nullptr, "onnx: a network without one of its buffers");
    return graph_.put(names_.parameter(index, what), {static_cast<std::int64_t>(found->value.size())},
                      found->value);
  }

  Written write_batch_norm(int index, const Target& as, const Written& x) {
    const float epsilon = info_.nodes[static_cast<std::size_t>(index)].epsilon;
    const std::vector<std::string> inputs{x.name, put(index, "weight"), put(index, "bias"),
                                          put_buffer(index, "running_mean"),
                                          put_buffer(index, "running_var")};
    return {graph_.add("BatchNormalization", as, inputs, {{"epsilon", real_attribute(epsilon)}}), x.shape,
            x.flat};
  }

  Written write(int index) {
    const quant::Node& node = info_.nodes[static_cast<std::size_t>(index)];
    const Written& x = input(node);
    const Target as{node.name, names_.output(index)};
    switch (node.op) {
      case Op::conv:
      case Op::linear: {
        const quant::LayerInfo& layer = info_.layers[static_cast<std::size_t>(info_.find_layer(node.name))];
        const std::string weight = put(index, "weight");
        return write_layer(graph_, layer, as, x, weight, node.bias ? put(index, "bias") : "");
      }
      case Op::batch_norm:
        return write_batch_norm(index, as, x);
      case Op::relu:
        return write_unary(graph_, "Relu", as, x);
      case Op::relu6:
        return write_clamp(graph_, as, x, 0.0f, 6.0f);
      case Op::max_pool:
      case Op::average_pool:
      case Op::global_average_pool:
        return write_pool(graph_, node, as, x);
      case Op::add:
        return write_add(graph_, as, x, input(node, 1));
      case Op::flatten:
        return write_flatten(graph_, as, x);
      case Op::quantize:
        return x;
      case Op::layer_norm: {
        const std::string gamma = put(index, "weight");
        return write_layer_norm(graph_, as, x, gamma, put(index, "bias"), node.epsilon);
      }
      case Op::gelu:
        return write_gelu(graph_, as, x);
      case Op::softmax:
        return write_softmax(graph_, as, x, node.groups);
      case Op::matmul:
        return write_matmul(graph_, node, as, x, input(node, 1));
      case Op::position:
        return write_position(graph_, as, x, names_.parameter(index, "weight"),
                              parameter(node.name + ".weight"));
      case Op::function:
        return write_function(graph_, node, as, x);
      case Op::prelu:
        return write_prelu(graph_, as, x, put_channels(index, "weight", x));
      case Op::scale: {
        const std::string factors = put_channels(index, "weight", x);
        return write_scale(graph_, as, x, factors, put_channels(index, "bias", x));
      }
      case Op::multiply:
        return write_multiply(graph_, as, x, input(node, 1));
      case Op::concat:
        return write_concat(graph_, as, x, input(node, 1));
      case Op::slice:
      case Op::shuffle:
      case Op::pad:
      case Op::resize:
        return write_moved(graph_, node, as, x);
      case Op::input:
        break;
    }
    throw base::UserError(fmt::format("{}: cannot write a {} as ONNX", node.name, quant::op_name(node.op)));
  }

  const Network& network_;
  const quant::NetworkInfo& info_;
  const ExportNames& export_names_;
  TensorNames names_;
  GraphWriter graph_;
  std::vector<Written> written_;
};

}  // namespace

Model export_fp32(const Network& network, const ExportNames& names) {
  return FloatExport(network, names).run();
}

}  // namespace bitsmith::trainer::onnx
