#include <fmt/format.h>

#include <algorithm>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

std::array<std::int64_t, 2> kernel_of(const onnx::Node& node, std::size_t rank) {
  const std::vector<std::int64_t> sizes = node.integers("kernel_shape", {});
  if (sizes.size() != rank || (rank != 1 && rank != 2))
    throw Unsupported{fmt::format("kernel_shape: got {} numbers for {} dimensions", sizes.size(), rank)};
  return rank == 1 ? std::array<std::int64_t, 2>{1, sizes[0]}
                   : std::array<std::int64_t, 2>{sizes[0], sizes[1]};
}

}  // namespace

void Importer::max_pool(const onnx::Node& node) {
  if (node.outputs.size() > 1 && !node.outputs[1].empty() && readers_.contains(node.outputs[1]))
    throw Unsupported{"its second output, the indices, is read"};
  const ImportedValue x = image(node, 0);
  const auto kernel = kernel_of(node, x.layout.dims.size() - 2);
  const quant::Window w = window(node, x, kernel[0], kernel[1], node.integer("ceil_mode", 0) != 0);
  ImportedValue y = x;  // the largest of integers is one of them
  y.node = net_->max_pool(name_for(node), x.node, w);
  y.layout = image_layout(y.node, x.layout.dims.size());
  give(node, std::move(y));
}

void Importer::average_pool(const onnx::Node& node) {
  const ImportedValue x = image(node, 0);
  const auto kernel = kernel_of(node, x.layout.dims.size() - 2);
  const bool ceil = node.integer("ceil_mode", 0) != 0, counts = node.integer("count_include_pad", 0) != 0;
  const quant::Window w = window(node, x, kernel[0], kernel[1], ceil),
                      plain = window(node, x, kernel[0], kernel[1], false);
  if (counts && w != plain)
    throw Unsupported{"count_include_pad with ceil_mode, where a window ends behind the padding"};
  const quant::Shape& in = net_->shape(x.node);
  const bool whole = w.kernel_h == in.height && w.kernel_w == in.width &&
                     w.pad_top + w.pad_bottom + w.pad_left + w.pad_right == 0;
  const int made = whole ? net_->global_average_pool(name_for(node), x.node)
                         : net_->average_pool(name_for(node), x.node, w, counts);
  give(node, made, image_layout(made, x.layout.dims.size()));
}

void Importer::global_average_pool(const onnx::Node& node) {
  const ImportedValue x = image(node, 0);
  give(node, net_->global_average_pool(name_for(node), x.node), x.layout.pooled());
}

void Importer::reduce_mean(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const int rank = static_cast<int>(x.layout.dims.size());
  std::vector<std::int64_t> axes =
      has_input(node, 1) ? integers(node, 1) : node.integers("axes", std::vector<std::int64_t>());
  if (axes.empty()) throw Unsupported{"it is over all dimensions; over all pixels is supported"};
  std::vector<bool> reduced(static_cast<std::size_t>(rank), false);
  for (std::int64_t axis : axes) {
    if (axis < -rank || axis >= rank)
      throw Unsupported{fmt::format("axes: got {} for {} dimensions", axis, rank)};
    reduced[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  using Axis = Atom::Axis;
  for (int d = 0; d < rank; ++d) {
    const bool pixels = x.layout.holds(d, Axis::height) || x.layout.holds(d, Axis::width);
    const bool others = x.layout.holds(d, Axis::batch) || x.layout.holds(d, Axis::channel);
    const bool is_reduced = reduced[static_cast<std::size_t>(d)];
    if ((is_reduced && others) || (!is_reduced && pixels))
      throw Unsupported{"the mean of all pixels is supported"};
  }
  const int made = net_->global_average_pool(name_for(node), x.node);
  Layout layout = x.layout.pooled();
  if (node.integer("keepdims", 1) == 0)
    for (int d = rank - 1; d >= 0; --d)
      if (reduced[static_cast<std::size_t>(d)]) layout = layout.without_dim(d);
  give(node, made, layout);
}

}  // namespace bitsmith::trainer::onnx
