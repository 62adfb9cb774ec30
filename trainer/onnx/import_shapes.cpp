// Operators that only say how tensors are shaped, cut and joined.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "quant/row_pad.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/importer.hpp"

namespace bitsmith::trainer::onnx {
namespace {

int axis_of(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    throw Unsupported{fmt::format("axis: got {} for {} dimensions", axis, rank)};
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int> axes_of(std::vector<std::int64_t> axes, int rank) {
  std::vector<int> found;
  for (std::int64_t axis : axes) found.push_back(axis_of(axis, rank));
  std::ranges::sort(found);
  return found;
}

ImportedValue seen_as(ImportedValue value, std::optional<Layout> layout) {
  if (!layout) throw Unsupported{"it cuts through an axis in a way that moves data"};
  value.layout = std::move(*layout);
  return value;
}

}  // namespace

void Importer::identity(const onnx::Node& node) {
  if (node.op == "Cast" && node.integer("to", 1) != 1)
    throw Unsupported{"it casts computed values; float32 is supported"};
  if (node.op == "Dropout" && node.outputs.size() > 1 && readers_.contains(node.outputs[1]))
    throw Unsupported{"its mask is read"};
  if (node.op == "Dropout" && has_input(node, 2) && scalar(node, 2) != 0)
    throw Unsupported{"it is in training mode"};
  give(node, input(node, 0));
}

void Importer::shape_of(const onnx::Node& node) {
  const Dims dims = input(node, 0).layout.shape();
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto bound = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const std::int64_t start = bound(node.integer("start", 0)), end = bound(node.integer("end", rank));
  ImportedValue value;
  value.constant = true;
  const std::vector<std::int64_t> part(dims.begin() + start, dims.begin() + std::max(start, end));
  value.tensor = Tensor::of({static_cast<std::int64_t>(part.size())}, std::span<const std::int64_t>(part));
  give(node, std::move(value));
}

void Importer::reshape(const onnx::Node& node) {
  const ImportedValue& x = input(node, 0);
  std::vector<std::int64_t> to = integers(node, 1);
  const Dims from = x.layout.shape();
  const std::int64_t all = std::accumulate(from.begin(), from.end(), std::int64_t{1}, std::multiplies<>());
  std::int64_t known = 1;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && node.integer("allowzero", 0) == 0) {
      if (i >= from.size()) throw Unsupported{"shape: a 0 beyond the input's dimensions"};
      to[i] = from[i];
    }
    if (to[i] < -1 || to[i] == 0) throw Unsupported{fmt::format("shape: got {}", show(to))};
    if (to[i] == -1) continue;
    if (known > all / to[i]) throw Unsupported{fmt::format("{} values as {}", all, show(to))};
    known *= to[i];
  }
  if (std::ranges::count(to, -1) > 1) throw Unsupported{"shape: more than one -1"};
  for (std::int64_t& size : to)
    if (size == -1) size = all / known;
  if (std::accumulate(to.begin(), to.end(), std::int64_t{1}, std::multiplies<>()) != all)
    throw Unsupported{fmt::format("{} as {}", show(from), show(to))};
  give(node, seen_as(x, x.layout.reshaped(to)));
}

void Importer::flatten(const onnx::Node& node) {
  const ImportedValue& x = input(node, 0);
  const Dims dims = x.layout.shape();
  const auto rank = static_cast<std::int64_t>(dims.size());
  std::int64_t axis = node.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) throw Unsupported{fmt::format("axis: got {}", axis)};
  Dims to(2, 1);
  for (std::int64_t i = 0; i < rank; ++i) to[i < axis ? 0 : 1] *= dims[static_cast<std::size_t>(i)];
  give(node, seen_as(x, x.layout.reshaped(to)));
}

void Importer::transpose(const onnx::Node& node) {
  const ImportedValue& x = input(node, 0);
  const auto rank = x.layout.dims.size();
  std::vector<std::int64_t> order = node.integers("perm", {});
  if (order.empty())
    for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  std::vector<std::int64_t> sorted = order;
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < rank; ++i)
    if (sorted.size() != rank || sorted[i] != static_cast<std::int64_t>(i))
      throw Unsupported{fmt::format("perm is no order of {} dimensions", rank)};
  ImportedValue value = x;
  value.layout = x.layout.transposed(order);
  give(node, std::move(value));
}

void Importer::squeeze(const onnx::Node& node) {
  ImportedValue value = input(node, 0);
  const int rank = static_cast<int>(value.layout.dims.size());
  std::vector<int> axes = axes_of(has_input(node, 1) ? integers(node, 1) : node.integers("axes", {}), rank);
  if (axes.empty())
    for (int d = 0; d < rank; ++d)
      if (value.layout.size(d) == 1 && !value.layout.holds(d, Atom::Axis::batch)) axes.push_back(d);
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    if (value.layout.size(*axis) != 1) throw Unsupported{fmt::format("dimension {} is not 1", *axis)};
    value.layout = value.layout.without_dim(*axis);
  }
  give(node, std::move(value));
}

void Importer::unsqueeze(const onnx::Node& node) {
  ImportedValue value = input(node, 0);
  const std::vector<std::int64_t> given = has_input(node, 1) ? integers(node, 1) : node.integers("axes", {});
  const int rank = static_cast<int>(value.layout.dims.size() + given.size());
  for (int axis : axes_of(given, rank)) {
    if (axis > static_cast<int>(value.layout.dims.size()))
      throw Unsupported{"axes: one is beyond the result"};
    value.layout = value.layout.with_dim(axis);
  }
  give(node, std::move(value));
}

/// Constants that are joined to tokens, as a class token is: pixels of zeros, and what these are added to
/// them.
void Importer::add_tokens(const onnx::Node& node) {
  std::size_t computed = node.inputs.size();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (input(node, k).constant) continue;
    if (computed < node.inputs.size())
      throw Unsupported{"it joins constants to more than one computed tensor"};
    computed = k;
  }
  const ImportedValue x = settled(node, computed);
  const int axis = axis_of(node.integer("axis", 1), static_cast<int>(x.layout.dims.size()));
  if (!x.layout.is_pixels(axis))
    throw Unsupported{"it joins a constant to computed values; tokens, one after the other, are supported"};
  const std::int64_t channels = x.layout.channels();
  std::vector<float> values;
  std::int64_t before = 0, after = 0;
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (k == computed) {
      values.resize(values.size() + static_cast<std::size_t>(x.layout.pixels() * channels));
      continue;
    }
    const Tensor& constant = input(node, k).tensor;
    const auto where = static_cast<std::size_t>(axis);
    const std::int64_t count = constant.dims.size() == x.layout.dims.size() ? constant.dims[where] : 0;
    if (count < 1 || count > quant::NetworkBuilder::kLargestWindow)
      throw Unsupported{
          fmt::format("it joins a constant of {} to {}", show(constant.dims), show(x.layout.shape()))};
    const Layout layout = x.layout.with_pixels(axis, count);
    const quant::Shape shape{static_cast<int>(channels), 1, static_cast<int>(count)};
    const std::vector<float> tokens = per_element(constant, layout, shape);
    if (tokens.empty() || of_one_image(constant, layout).elements() != count * channels)
      throw Unsupported{
          fmt::format("it joins a constant of {} to {}", show(constant.dims), show(x.layout.shape()))};
    values.insert(values.end(), tokens.begin(), tokens.end());
    (k < computed ? before : after) += count;
  }
  constexpr std::int64_t kMost = quant::NetworkBuilder::kLargestWindow;
  if (std::max(before, after) > kMost)
    throw Unsupported{fmt::format("it joins more than {} constant tokens", kMost)};
  const int padded = net_->copy(quant::row_pad(name_for(node), x.node, net_->node(x.node),
                                               static_cast<int>(before), static_cast<int>(after)));
  const std::string name = name_for(node, "tokens");
  const int made = net_->position(name, padded);
  set_numbers(name + ".weight", std::move(values));
  give(node, made, x.layout.with_pixels(axis, net_->shape(made).pixels()));
}

void Importer::concat(const onnx::Node& node) {
  if (node.inputs.empty()) throw Unsupported{"it has no inputs"};
  std::vector<ImportedValue> parts;
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (input(node, k).constant) return add_tokens(node);
    parts.push_back(settled(node, k));
    parts.back().layout = parts.back().layout.merged();
  }
  const Layout& first = parts[0].layout;
  const int axis = axis_of(node.integer("axis", 1), static_cast<int>(first.dims.size()));
  int made = -1;
  std::int64_t channels = 0;
  for (const ImportedValue& part : parts) {
    const bool fits = part.layout.dims.size() == first.dims.size() && part.layout.channel_dim() == axis &&
                      part.layout.with_channels(1) == first.with_channels(1);
    if (!fits)
      throw Unsupported{
          fmt::format("it joins {} to {}: along channels, of one height and width, is supported",
                      show(part.layout.shape()), show(first.shape()))};
    made = made < 0 ? part.node : net_->concat(name_for(node), made, part.node);
    channels += part.layout.channels();
  }
  give(node, made, first.with_channels(channels));
}

/// A part of one dimension: of channels, a run of the outermost ones; of pixels, the first.
ImportedValue Importer::cut(const onnx::Node& node, const ImportedValue& x, int axis, std::int64_t begin,
                            std::int64_t count) {
  const std::int64_t size = x.layout.size(axis);
  if (begin == 0 && count == size) return x;
  ImportedValue part = x;
  if (x.layout.is_outermost(axis)) {
    const std::int64_t run = x.layout.channels() / size;
    part.node =
        net_->slice(name_for(node), x.node, static_cast<int>(begin * run), static_cast<int>(count * run));
    part.layout = x.layout.with_outermost(axis, count);
    return part;
  }
  const quant::Shape image = net_->shape(x.node);
  constexpr int kLargest = quant::NetworkBuilder::kLargestWindow;
  if (!x.layout.is_pixels(axis) || begin != 0 || count != 1 || std::max(image.height, image.width) > kLargest)
    throw Unsupported{fmt::format(
        "{} of {} in dimension {}: consecutive channels, or the first of all pixels, are supported",
        count == 1 ? fmt::format("number {}", begin) : fmt::format("{} to {}", begin, begin + count), size,
        axis)};
  quant::Window first;
  first.stride_h = image.height;
  first.stride_w = image.width;
  part.node = net_->max_pool(name_for(node), x.node, first);
  part.layout = x.layout.pooled();
  return part;
}

void Importer::split(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const int axis = axis_of(node.integer("axis", 0), static_cast<int>(x.layout.dims.size()));
  const std::int64_t all = x.layout.size(axis);
  std::vector<std::int64_t> sizes = has_input(node, 1) ? integers(node, 1) : node.integers("split", {});
  if (sizes.empty()) {
    const auto count = static_cast<std::int64_t>(node.outputs.size());
    const std::int64_t size = (all + count - 1) / count;
    for (std::int64_t i = 0; i < count; ++i) sizes.push_back(std::min(size, all - i * size));
  }
  if (sizes.size() != node.outputs.size() ||
      std::ranges::any_of(sizes, [&](std::int64_t s) { return s < 1 || s > all; }) ||
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) != all)
    throw Unsupported{fmt::format("split: {} of {} in {} outputs", show(sizes), all, node.outputs.size())};
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < sizes.size(); begin += sizes[i++])
    if (readers_.contains(node.outputs[i])) give(node, cut(node, x, axis, begin, sizes[i]), i);
}

void Importer::slice(const onnx::Node& node) {
  ImportedValue x = settled(node, 0);
  const int rank = static_cast<int>(x.layout.dims.size());
  const bool attributes = model_.opset < 10;
  const std::vector<std::int64_t> starts = attributes ? node.integers("starts", {}) : integers(node, 1);
  const std::vector<std::int64_t> ends = attributes ? node.integers("ends", {}) : integers(node, 2);
  std::vector<std::int64_t> axes = attributes           ? node.integers("axes", {})
                                   : has_input(node, 3) ? integers(node, 3)
                                                        : std::vector<std::int64_t>();
  const std::vector<std::int64_t> steps =
      has_input(node, 4) ? integers(node, 4) : std::vector<std::int64_t>(starts.size(), 1);
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (starts.size() != ends.size() || axes.size() != starts.size() || steps.size() != starts.size())
    throw Unsupported{"starts, ends, axes and steps are not as many"};
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const int axis = axis_of(axes[i], rank);
    const std::int64_t size = x.layout.size(axis);
    const auto bound = [&](std::int64_t at) {
      if (at < 0) at += size;
      return std::clamp<std::int64_t>(at, 0, size);
    };
    const std::int64_t begin = bound(starts[i]), end = bound(ends[i]);
    if (steps[i] != 1) throw Unsupported{fmt::format("steps: got {}, 1 is supported", steps[i])};
    if (begin >= end) throw Unsupported{"nothing is left of it"};
    x = cut(node, x, axis, begin, end - begin);
  }
  give(node, std::move(x));
}

void Importer::gather(const onnx::Node& node) {
  const ImportedValue x = settled(node, 0);
  const int axis = axis_of(node.integer("axis", 0), static_cast<int>(x.layout.dims.size()));
  std::vector<std::int64_t> index = integers(node, 1);
  const bool one = input(node, 1).tensor.dims.empty();
  if (input(node, 1).tensor.dims.size() > 1 || index.empty())
    throw Unsupported{
        fmt::format("indices of {}: one, or a row of them, is supported", show(input(node, 1).tensor.dims))};
  const std::int64_t count = x.layout.size(axis);
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] < 0) index[i] += count;
    if (index[i] < 0 || index[i] >= count) throw Unsupported{fmt::format("an index is beyond {}", count)};
    if (index[i] != index[0] + static_cast<std::int64_t>(i))
      throw Unsupported{"indices that do not follow each other"};
  }
  ImportedValue part = cut(node, x, axis, index[0], static_cast<std::int64_t>(index.size()));
  if (one) part.layout = part.layout.without_dim(axis);
  give(node, std::move(part));
}

void Importer::pad(const onnx::Node& node) {
  const ImportedValue x = image(node, 0);
  const std::size_t rank = x.layout.dims.size();
  std::vector<std::int64_t> pads = model_.opset < 11 ? node.integers("pads", {}) : integers(node, 1);
  float value = node.real("value", 0);
  if (model_.opset >= 11) value = has_input(node, 2) ? scalar(node, 2) : 0.0f;
  if (has_input(node, 3)) {
    const std::vector<std::int64_t> axes = integers(node, 3);
    std::vector<std::int64_t> all(2 * rank, 0);
    if (pads.size() != 2 * axes.size()) throw Unsupported{"pads and axes do not fit"};
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(axis_of(axes[i], static_cast<int>(rank)));
      all[axis] = pads[i];
      all[axis + rank] = pads[i + axes.size()];
    }
    pads = all;
  }
  if (pads.size() != 2 * rank) throw Unsupported{fmt::format("{} pads for {} dimensions", pads.size(), rank)};
  for (std::int64_t pad : pads)
    if (pad < 0 || pad > quant::NetworkBuilder::kLargestWindow)
      throw Unsupported{
          fmt::format("a padding of {}; 0 to {} are supported", pad, quant::NetworkBuilder::kLargestWindow)};
  if (pads[0] + pads[1] + pads[rank] + pads[rank + 1] != 0)
    throw Unsupported{"it pads the batch or channels"};
  const auto at = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  const int made = rank == 4 ? net_->pad(name_for(node), x.node, at(2), at(3), at(6), at(7), value)
                             : net_->pad(name_for(node), x.node, 0, at(2), 0, at(5), value);
  give(node, made, image_layout(made, rank));
}

void Importer::resize(const onnx::Node& node) {
  const ImportedValue x = image(node, 0);
  if (x.layout.dims.size() != 4) throw Unsupported{"N,C,H,W is supported"};
  const Dims from = x.layout.shape();
  const std::size_t scales_at = node.op == "Upsample" || model_.opset < 11 ? 1 : 2;
  std::vector<double> factors;
  if (node.op == "Upsample" && model_.opset < 9) throw Unsupported{"Upsample before opset 9"};
  if (has_input(node, 3)) {
    const std::vector<std::int64_t> sizes = integers(node, 3);
    for (std::size_t i = 0; i < sizes.size() && i < 4; ++i)
      factors.push_back(static_cast<double>(sizes[i]) / static_cast<double>(from[i]));
  } else {
    for (float factor : reals(node, scales_at)) factors.push_back(static_cast<double>(factor));
  }
  if (factors.size() != 4 || factors[0] != 1 || factors[1] != 1)
    throw Unsupported{"height and width are supported, of four dimensions"};
  for (double factor : factors)
    if (!(factor >= 1) || factor > quant::NetworkBuilder::kLargestWindow || factor != std::floor(factor))
      throw Unsupported{fmt::format("a factor of {}; whole ones are supported", factor)};
  if (model_.opset >= 11 && node.op == "Resize") {
    const std::string where = node.text("coordinate_transformation_mode", "half_pixel");
    const std::string nearest = node.text("nearest_mode", "round_prefer_floor");
    const bool halves =
        (where == "half_pixel" || where == "pytorch_half_pixel" || where == "half_pixel_symmetric") &&
        nearest.starts_with("round_prefer");
    if (!halves && !(where == "asymmetric" && nearest == "floor"))
      throw Unsupported{
          fmt::format("{} with {}: half_pixel with round_prefer_floor, or asymmetric with floor, is "
                      "supported",
                      where, nearest)};
  }
  const int made =
      net_->resize(name_for(node), x.node, static_cast<int>(factors[2]), static_cast<int>(factors[3]));
  give(node, made, image_layout(made, 4));
}

void Importer::expand(const onnx::Node& node) {
  const ImportedValue& x = input(node, 0);
  const std::vector<std::int64_t> to = integers(node, 1);
  const Dims from = x.layout.shape();
  if (to.size() > from.size()) throw Unsupported{"it adds dimensions"};
  Dims wanted = from;
  for (std::size_t i = 0; i < to.size(); ++i) {
    std::int64_t& size = wanted[from.size() - to.size() + i];
    if (to[i] != 1 && size == 1) size = to[i];
    if (to[i] != 1 && to[i] != size) throw Unsupported{fmt::format("{} to {}", show(from), show(to))};
  }
  if (wanted == from) return give(node, x);
  constexpr std::int64_t kMost = quant::NetworkBuilder::kLargestWindow;
  const std::size_t rank = wanted.size();
  if (!x.layout.is_image() || x.layout.pixels() != 1 || wanted[0] != from[0] || wanted[1] != from[1] ||
      std::ranges::any_of(wanted.begin() + 2, wanted.end(), [](auto d) { return d < 1 || d > kMost; }))
    throw Unsupported{fmt::format("{} to {}: one pixel for all is supported", show(from), show(to))};
  const ImportedValue pixel = image(node, 0);
  const int made = net_->resize(name_for(node), pixel.node, rank == 4 ? static_cast<int>(wanted[2]) : 1,
                                static_cast<int>(wanted[rank - 1]));
  give(node, made, image_layout(made, rank));
}

}  // namespace bitsmith::trainer::onnx
