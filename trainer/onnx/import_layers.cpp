// Operators with weights.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ranges>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

void require_constant(const ImportedValue& value, const char* what) {
  if (!value.constant) throw Unsupported{fmt::format("its {} is computed; a constant is supported", what)};
}

std::int64_t padding_of_same(std::int64_t size, std::int64_t stride, std::int64_t reach) {
  const std::int64_t outputs = (size + stride - 1) / stride;
  return std::max<std::int64_t>(0, (outputs - 1) * stride + reach - size);
}

int checked(std::int64_t value, std::int64_t low, const char* what) {
  if (value < low || value > quant::NetworkBuilder::kLargestWindow)
    throw Unsupported{fmt::format("{}: got {}, allowed are {} to {}", what, value, low,
                                  quant::NetworkBuilder::kLargestWindow)};
  return static_cast<int>(value);
}

/// A row-major matrix on its side.
std::vector<float> transposed(const std::vector<float>& x, std::int64_t rows, std::int64_t columns) {
  std::vector<float> y(x.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      y[static_cast<std::size_t>(c * rows + r)] = x[static_cast<std::size_t>(r * columns + c)];
  return y;
}

}  // namespace

quant::Window Importer::window(const onnx::Node& node, const ImportedValue& x, std::int64_t kernel_h,
                               std::int64_t kernel_w, bool ceil) const {
  const std::size_t rank = x.layout.dims.size() - 2;
  const quant::Shape& in = net_->shape(x.node);
  const auto pair = [&](std::string_view name, std::array<std::int64_t, 2> otherwise) {
    std::vector<std::int64_t> values = node.integers(name, {});
    if (values.empty()) return otherwise;
    if (values.size() != rank)
      throw Unsupported{fmt::format("{}: got {} numbers for {} dimensions", name, values.size(), rank)};
    return rank == 1 ? std::array<std::int64_t, 2>{1, values[0]}
                     : std::array<std::int64_t, 2>{values[0], values[1]};
  };
  const auto strides = pair("strides", {1, 1}), dilations = pair("dilations", {1, 1});
  quant::Window w;
  w.kernel_h = checked(kernel_h, 1, "kernel");
  w.kernel_w = checked(kernel_w, 1, "kernel");
  w.stride_h = checked(strides[0], 1, "strides");
  w.stride_w = checked(strides[1], 1, "strides");
  w.dilation_h = checked(dilations[0], 1, "dilations");
  w.dilation_w = checked(dilations[1], 1, "dilations");
  const std::int64_t reach_h = std::int64_t{w.dilation_h} * (w.kernel_h - 1) + 1;
  const std::int64_t reach_w = std::int64_t{w.dilation_w} * (w.kernel_w - 1) + 1;
  const std::string automatic = node.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    const std::int64_t h = padding_of_same(in.height, w.stride_h, reach_h);
    const std::int64_t v = padding_of_same(in.width, w.stride_w, reach_w);
    const bool upper = automatic == "SAME_UPPER";  // an odd pixel goes to the end
    w.pad_top = checked(upper ? h / 2 : h - h / 2, 0, "pads");
    w.pad_bottom = checked(h - w.pad_top, 0, "pads");
    w.pad_left = checked(upper ? v / 2 : v - v / 2, 0, "pads");
    w.pad_right = checked(v - w.pad_left, 0, "pads");
  } else if (automatic == "NOTSET") {
    const std::vector<std::int64_t> pads = node.integers("pads", std::vector<std::int64_t>(2 * rank, 0));
    if (pads.size() != 2 * rank)
      throw Unsupported{fmt::format("pads: got {} numbers for {} dimensions", pads.size(), rank)};
    w.pad_left = checked(pads[rank - 1], 0, "pads");
    w.pad_right = checked(pads[2 * rank - 1], 0, "pads");
    if (rank == 2) {
      w.pad_top = checked(pads[0], 0, "pads");
      w.pad_bottom = checked(pads[2], 0, "pads");
    }
  } else if (automatic != "VALID") {
    throw Unsupported{
        fmt::format("auto_pad: got '{}', allowed: NOTSET, SAME_UPPER, SAME_LOWER, VALID", automatic)};
  }
  if (ceil) {
    // Windows that begin on the image or its first padding, even where they end behind it.
    const auto extra = [](std::int64_t size, std::int64_t reach, int stride, int before, int after) {
      const std::int64_t rest = size + before + after - reach;
      if (rest < 0) return 0;
      std::int64_t outputs = (rest + stride - 1) / stride + 1;
      if ((outputs - 1) * stride >= size + before) --outputs;
      return static_cast<int>(
          std::max<std::int64_t>(0, (outputs - 1) * stride + reach - size - before - after));
    };
    w.pad_bottom += extra(in.height, reach_h, w.stride_h, w.pad_top, w.pad_bottom);
    w.pad_right += extra(in.width, reach_w, w.stride_w, w.pad_left, w.pad_right);
  }
  return w;
}

void Importer::conv(const onnx::Node& node) {
  const ImportedValue x = image(node, 0);
  const ImportedValue& weight = input(node, 1);
  require_constant(weight, "weight");
  const Dims& dims = weight.tensor.dims;
  const quant::Shape& in = net_->shape(x.node);
  if (dims.size() != x.layout.dims.size())
    throw Unsupported{fmt::format("a weight of {} for an input of {}", show(dims), show(x.layout.shape()))};
  const std::int64_t kernel_h = dims.size() == 4 ? dims[2] : 1, kernel_w = dims.back();
  const std::int64_t groups = node.integer("group", 1);
  if (groups < 1 || groups > in.channels || dims[1] * groups != in.channels)
    throw Unsupported{
        fmt::format("a weight of {} in {} groups for {} channels", show(dims), groups, in.channels)};
  const std::vector<float> bias = has_input(node, 2) ? reals(node, 2) : std::vector<float>();
  if (has_input(node, 2) && static_cast<std::int64_t>(bias.size()) != dims[0])
    throw Unsupported{fmt::format("{} biases for {} channels", bias.size(), dims[0])};
  const quant::Window w = window(node, x, kernel_h, kernel_w, false);
  const std::string name = name_for(node, weight.weight);
  const int made =
      net_->conv(name, x.node, static_cast<int>(dims[0]), w, static_cast<int>(groups), !bias.empty());
  set_numbers(name + ".weight", reals(node, 1), weight.weight);
  if (!bias.empty()) set_numbers(name + ".bias", bias, initializer(node, 2));
  note_bits(name, x, weight);
  give(node, made, image_layout(made, dims.size()));
}

/// `weight` is inputs x outputs. Of features a linear layer; of tokens one of each pixel.
int Importer::linear_tokens(const onnx::Node& node, const ImportedValue& x, const ImportedValue& weight) {
  const Dims& dims = weight.tensor.dims;
  const std::int64_t inputs = dims[0], outputs = dims[1];
  if (net_->shape(x.node).channels != inputs)
    throw Unsupported{
        fmt::format("a matrix of {} for {} features", show(dims), net_->shape(x.node).channels)};
  const std::string name = name_for(node, weight.weight);
  const int count = static_cast<int>(outputs);  // a tensor has at most kMostElements
  const int made = net_->shape(x.node).pixels() == 1
                       ? net_->linear(name, x.node, count, false)
                       : net_->conv(name, x.node, count, quant::Window::square(1), 1, false);
  set_numbers(name + ".weight", transposed(reals(node, 1), inputs, outputs), weight.weight);
  note_bits(name, x, weight);
  return made;
}

void Importer::gemm(const onnx::Node& node) {
  if (node.integer("transA", 0) != 0) throw Unsupported{"transA: the batch would be multiplied"};
  const ImportedValue x = settled(node, 0);
  const ImportedValue& weight = input(node, 1);
  require_constant(weight, "second matrix");
  if (x.layout.dims.size() != 2 || !x.layout.is_channels(1) || weight.tensor.dims.size() != 2)
    throw Unsupported{fmt::format("its first matrix is {}; N x features, or tokens x features, is supported",
                                  show(x.layout.shape()))};
  const float alpha = node.real("alpha", 1), beta = node.real("beta", 1);
  std::vector<float> matrix = reals(node, 1);
  const Dims& dims = weight.tensor.dims;
  const bool sideways = node.integer("transB", 0) != 0;
  const std::int64_t inputs = sideways ? dims[1] : dims[0], outputs = sideways ? dims[0] : dims[1];
  if (net_->shape(x.node).channels != inputs)
    throw Unsupported{fmt::format("a matrix of {} for {} features", show(dims), x.layout.channels())};
  if (!sideways) matrix = transposed(matrix, inputs, outputs);
  for (float& value : matrix) value *= alpha;
  std::vector<float> bias;
  if (has_input(node, 2)) {
    bias = reals(node, 2);
    const auto count = static_cast<std::size_t>(outputs);
    if (bias.size() == 1) bias.assign(count, bias[0]);
    if (bias.size() != count)
      throw Unsupported{fmt::format("{} biases for {} outputs", bias.size(), outputs)};
    for (float& value : bias) value *= beta;
  }
  const std::string name = name_for(node, weight.weight);
  const int count = static_cast<int>(outputs);
  const int made = net_->shape(x.node).pixels() == 1
                       ? net_->linear(name, x.node, count, !bias.empty())
                       : net_->conv(name, x.node, count, quant::Window::square(1), 1, !bias.empty());
  set_numbers(name + ".weight", std::move(matrix), weight.weight);
  if (!bias.empty()) set_numbers(name + ".bias", std::move(bias), initializer(node, 2));
  note_bits(name, x, weight);
  give(node, made, x.layout.with_channels(outputs, 1));
}

void Importer::matmul(const onnx::Node& node) {
  const ImportedValue a = settled(node, 0);
  const ImportedValue& weight = input(node, 1);
  const int last = static_cast<int>(a.layout.dims.size()) - 1;
  if (weight.constant) {
    if (weight.tensor.dims.size() != 2 || last < 1 || !a.layout.is_channels(last))
      throw Unsupported{
          fmt::format("{} times a constant of {}", show(a.layout.shape()), show(weight.tensor.dims))};
    const int made = linear_tokens(node, a, weight);
    return give(node, made, a.layout.with_channels(net_->shape(made).channels, last));
  }
  // Head by head: rows are pixels, and of the second operand either these or its channels.
  const ImportedValue b = settled(node, 1);
  using Axis = Atom::Axis;
  const auto heads_of = [](const Layout& layout) {
    std::int64_t heads = 1;
    for (std::size_t d = 0; d + 2 < layout.dims.size(); ++d)
      for (int atom : layout.dims[d]) {
        const Atom& found = layout.atoms[static_cast<std::size_t>(atom)];
        if (found.axis == Axis::height || found.axis == Axis::width)
          throw Unsupported{"it multiplies matrices of single pixels"};
        if (found.axis == Axis::channel) heads *= found.size;
      }
    return heads;
  };
  const int b_last = static_cast<int>(b.layout.dims.size()) - 1;
  if (last < 2 || b_last < 2) throw Unsupported{"it multiplies over the batch"};
  const std::int64_t heads = heads_of(a.layout);
  const bool transposed_b = b.layout.holds(b_last, Axis::height) || b.layout.holds(b_last, Axis::width);
  // Heads are the outermost channels, so that each has a run of them.
  const int b_channels = transposed_b ? b_last - 1 : b_last;
  if (!a.layout.is_innermost(last) || !b.layout.is_innermost(b_channels))
    throw Unsupported{"a product of tensors whose heads are not runs of channels"};
  if (!a.layout.is_pixels(last - 1) || heads_of(b.layout) != heads ||
      !b.layout.is_pixels(transposed_b ? b_last : b_last - 1))
    throw Unsupported{fmt::format("a product of {} and {} that is not one of tokens", show(a.layout.shape()),
                                  show(b.layout.shape()))};
  const int made = net_->matmul(name_for(node), a.node, b.node, static_cast<int>(heads), transposed_b);
  Layout layout = a.layout;
  const std::int64_t columns = b.layout.size(b_last);
  for (int atom : layout.dims[static_cast<std::size_t>(last)])
    if (layout.atoms[static_cast<std::size_t>(atom)].axis == Axis::channel)
      layout.atoms[static_cast<std::size_t>(atom)].size = 1;
  auto& columns_of = layout.dims[static_cast<std::size_t>(last)];
  if (columns_of.empty()) throw Unsupported{"heads of one channel"};
  layout.atoms[static_cast<std::size_t>(columns_of.back())].size = columns;
  give(node, made, layout);
}

void Importer::batch_norm(const onnx::Node& node) {
  // Before opset 14 more outputs than one mean training.
  const bool is_training = node.integer("training_mode", 0) != 0 ||
                           std::ranges::any_of(node.outputs | std::views::drop(1),
                                               [](const std::string& name) { return !name.empty(); });
  if (is_training) throw Unsupported{"it is in training mode; statistics of a batch are not computed"};
  const ImportedValue x = settled(node, 0);
  if (x.layout.channel_dim() != 1) throw Unsupported{"its channels are not the second dimension"};
  const auto channels = static_cast<std::size_t>(x.layout.channels());
  const std::string weight = has_input(node, 1) ? node.inputs[1] : std::string();
  const std::string name = name_for(node, weight);
  const char* numbers[] = {"weight", "bias", "running_mean", "running_var"};
  const int made = net_->batch_norm(name, x.node, node.real("epsilon", 1e-5f));
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<float> values = reals(node, i + 1);
    if (values.size() != channels)
      throw Unsupported{fmt::format("{} numbers in {} for {} channels", values.size(), numbers[i], channels)};
    if (i == 3 && std::ranges::any_of(values, [](float v) { return !(v >= 0); }))
      throw Unsupported{"a variance is negative or not a number"};
    // Statistics are each node's own: what one sees, another does not.
    set_numbers(name + "." + numbers[i], std::move(values), i < 2 ? initializer(node, i + 1) : std::string());
  }
  give(node, made, x.layout);
}

void Importer::layer_norm(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const int rank = static_cast<int>(x.layout.dims.size());
  // One that was written out is over one dimension, whichever; the operator over all from its axis on.
  const std::vector<std::int64_t> only = node.integers("axes", {});
  std::int64_t axis = only.size() == 1 ? only[0] : node.integer("axis", -1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank || (only.empty() && axis != rank - 1) ||
      !x.layout.is_channels(static_cast<int>(axis)))
    throw Unsupported{"it is supported over the last dimension, where that is all channels"};
  const std::string name = name_for(node, initializer(node, 1));
  const auto channels = static_cast<std::size_t>(x.layout.channels());
  const auto numbers = [&](std::size_t k, float otherwise) {
    if (!has_input(node, k)) return std::vector<float>(channels, otherwise);
    require_constant(input(node, k), k == 1 ? "scale" : "bias");
    return per_channel(input(node, k).tensor, x.layout);
  };
  std::vector<float> gamma = numbers(1, 1), beta = numbers(2, 0);
  if (gamma.empty() || beta.empty()) throw Unsupported{"other numbers than one for each channel"};
  const int made = net_->layer_norm(name, x.node, node.real("epsilon", 1e-5f));
  set_numbers(name + ".weight", std::move(gamma), initializer(node, 1));
  set_numbers(name + ".bias", std::move(beta), initializer(node, 2));
  give(node, made, x.layout);
}

}  // namespace bitsmith::trainer::onnx
