#include <fmt/format.h>

#include <limits>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/windows.hpp"

namespace bitsmith::trainer::onnx {
namespace {

struct Pool {
  std::int64_t planes = 0;       ///< N x C
  std::vector<WindowAxis> axes;  ///< three
  Dims result;

  std::int64_t input_plane() const { return axes[0].input * axes[1].input * axes[2].input; }
  std::int64_t output_plane() const { return axes[0].output * axes[1].output * axes[2].output; }
};

Pool pool_of(const OperatorCall& call) {
  const Dims& x = input(call, 0).dims;
  if (x.size() < 3 || x.size() > 5)
    fail(fmt::format("its input is {}: 1 to 3 spatial axes are supported", show(x)));
  const Dims spatial(x.begin() + 2, x.end());
  const Dims kernel = call.node.integers("kernel_shape", {});
  if (kernel.size() != spatial.size())
    fail(fmt::format("attribute kernel_shape has {} values, {} are needed", kernel.size(), spatial.size()));
  Pool pool;
  const auto axes = windows_of(call, spatial, kernel, flag(call, "ceil_mode"));
  pool.result = {x[0], x[1]};
  for (const WindowAxis& axis : axes) {
    const std::int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
    if (axis.pad >= reach || axis.pad_end >= reach)
      fail(fmt::format("its padding is as large as its window ({})", show(kernel)));
    pool.result.push_back(axis.output);
  }
  pool.planes = x[0] * x[1];
  pool.axes = as_three(axes);
  const auto outputs = count_elements(pool.result, call.most_elements);
  if (!outputs) fail(fmt::format("its output would be {}", show(pool.result)));
  std::int64_t most_inside = 1;
  for (const WindowAxis& axis : axes) most_inside *= std::min(axis.kernel, axis.input);
  check_work(call, {*outputs, most_inside});
  return pool;
}

/// Calls begin(), element(index in the plane) for each element of the window, end(output index in the plane).
template <typename Begin, typename Element, typename End>
void for_each_window(const std::vector<WindowAxis>& axes, Begin begin, Element element, End end) {
  const WindowAxis &depth = axes[0], &height = axes[1], &width = axes[2];
  std::int64_t o = 0;
  for (std::int64_t od = 0; od < depth.output; ++od)
    for (std::int64_t oh = 0; oh < height.output; ++oh)
      for (std::int64_t ow = 0; ow < width.output; ++ow) {
        begin();
        for (std::int64_t kd = depth.begin(od); kd < depth.end(od); ++kd)
          for (std::int64_t kh = height.begin(oh); kh < height.end(oh); ++kh)
            for (std::int64_t kw = width.begin(ow); kw < width.end(ow); ++kw) {
              const std::int64_t id = depth.first(od) + kd * depth.dilation;
              const std::int64_t ih = height.first(oh) + kh * height.dilation;
              element((id * height.input + ih) * width.input + width.first(ow) + kw * width.dilation);
            }
        end(o++, od, oh, ow);
      }
}

/// The index of ONNX's second output: row-major, or with the first spatial axis running fastest.
std::int64_t told_index(const std::vector<WindowAxis>& axes, std::int64_t index, bool is_column_major) {
  if (!is_column_major) return index;
  const std::int64_t w = index % axes[2].input, h = index / axes[2].input % axes[1].input,
                     d = index / axes[2].input / axes[1].input;
  return d + axes[0].input * (h + axes[1].input * w);
}

void max_pool(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  const Pool pool = pool_of(call);
  const bool is_column_major = flag(call, "storage_order");
  visit_numbers(x.type, [&]<typename T>() {
    const auto to = make_output(call, 0, x.type, pool.result).template as<T>();
    std::span<std::int64_t> indices;
    if (wants_output(call, 1))
      indices = make_output(call, 1, ElementType::int64, pool.result).template as<std::int64_t>();
    using Limits = std::numeric_limits<T>;
    constexpr T kLowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    for (std::int64_t p = 0; p < pool.planes; ++p) {
      const T* plane = x.as<T>().data() + p * pool.input_plane();
      T most = kLowest;
      std::int64_t place = -1;
      for_each_window(
          pool.axes,
          [&] {
            most = kLowest;
            place = -1;
          },
          [&](std::int64_t i) {
            if (place >= 0 && !(plane[i] > most) && plane[i] == plane[i]) return;
            if (place >= 0 && most != most) return;  // NaN stays
            most = plane[i];
            place = i;
          },
          [&](std::int64_t o, std::int64_t, std::int64_t, std::int64_t) {
            const auto at = static_cast<std::size_t>(p * pool.output_plane() + o);
            to[at] = most;
            if (!indices.empty())
              indices[at] =
                  p * pool.input_plane() + (place < 0 ? 0 : told_index(pool.axes, place, is_column_major));
          });
    }
  });
}

/// Elements of window o, those in the padding included; what ceil_mode adds after it is not.
std::int64_t padded_count(const WindowAxis& axis, std::int64_t o) {
  const std::int64_t room = axis.input + axis.pad_end - axis.first(o);
  return std::min(axis.kernel, room <= 0 ? 0 : (room - 1) / axis.dilation + 1);
}

void average_pool(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  const Pool pool = pool_of(call);
  const bool counts_padding = flag(call, "count_include_pad");
  visit_floats(x.type, [&]<typename T>() {
    const auto to = make_output(call, 0, x.type, pool.result).template as<T>();
    for (std::int64_t p = 0; p < pool.planes; ++p) {
      const T* plane = x.as<T>().data() + p * pool.input_plane();
      double sum = 0;
      std::int64_t count = 0;
      for_each_window(
          pool.axes,
          [&] {
            sum = 0;
            count = 0;
          },
          [&](std::int64_t i) {
            sum += static_cast<double>(plane[i]);
            ++count;
          },
          [&](std::int64_t o, std::int64_t od, std::int64_t oh, std::int64_t ow) {
            if (counts_padding)
              count = padded_count(pool.axes[0], od) * padded_count(pool.axes[1], oh) *
                      padded_count(pool.axes[2], ow);
            to[static_cast<std::size_t>(p * pool.output_plane() + o)] =
                static_cast<T>(count > 0 ? sum / static_cast<double>(count) : 0);
          });
    }
  });
}

template <bool is_mean>
void global_pool(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  if (x.dims.size() < 2) fail(fmt::format("its input is {}: batch and channels are needed", show(x.dims)));
  const auto plane = static_cast<std::size_t>(extent_of(x.dims, 2, x.dims.size()));
  if (plane == 0) fail(fmt::format("its input is {}: it has nothing to pool", show(x.dims)));
  Dims dims(x.dims.size(), 1);
  dims[0] = x.dims[0];
  dims[1] = x.dims[1];
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, dims).template as<T>();
    for (std::size_t p = 0; p < to.size(); ++p) {
      const auto values = from.subspan(p * plane, plane);
      double result = static_cast<double>(values[0]);
      for (std::size_t i = 1; i < plane; ++i) {
        const auto value = static_cast<double>(values[i]);
        result = is_mean ? result + value : (value > result || value != value ? value : result);
      }
      to[p] = static_cast<T>(is_mean ? result / static_cast<double>(plane) : result);
    }
  });
}

constexpr OperatorRow kRows[] = {
    {"AveragePool", average_pool, true},
    {"GlobalAveragePool", global_pool<true>, true},
    {"GlobalMaxPool", global_pool<false>, true},
    {"MaxPool", max_pool, true},
};

}  // namespace

std::span<const OperatorRow> pool_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
