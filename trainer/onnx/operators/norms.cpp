#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// A value for each channel, axis 1.
std::vector<double> per_channel(const OperatorCall& call, std::size_t index, std::string_view what) {
  const Dims& x = input(call, 0).dims;
  const Tensor& tensor = input(call, index);
  if (tensor.dims != Dims{x[1]})
    fail(fmt::format("its {} is {}, the input has {} channels", what, show(tensor.dims), x[1]));
  return reals_of(tensor, what);
}

void expect_channels(const Dims& x) {
  if (x.size() < 2) fail(fmt::format("its input is {}: batch and channels are needed", show(x)));
}

// With the statistics that it is given: y = (x - mean) / sqrt(var + epsilon) * scale + bias.
void batch_normalization(const OperatorCall& call) {
  expect_inputs(call, 5, 5);
  const Tensor& x = input(call, 0);
  expect_channels(x.dims);
  bool is_training = flag(call, "training_mode");
  for (std::size_t o = 1; o < call.node.outputs.size(); ++o) is_training |= wants_output(call, o);
  if (is_training) fail("statistics of the batch (training) are not computed");
  const double epsilon = call.node.real("epsilon", 1e-5F);
  const auto scale = per_channel(call, 1, "scale"), bias = per_channel(call, 2, "bias"),
             mean = per_channel(call, 3, "mean"), variance = per_channel(call, 4, "variance");
  for (const double value : variance)
    if (!(value >= 0)) fail(fmt::format("a variance is {}", value));
  const auto plane = static_cast<std::size_t>(extent_of(x.dims, 2, x.dims.size()));
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::size_t c = i / plane % scale.size();
      const double normal = (static_cast<double>(from[i]) - mean[c]) / std::sqrt(variance[c] + epsilon);
      to[i] = static_cast<T>(normal * scale[c] + bias[c]);
    }
  });
}

struct Moments {
  double mean = 0, inverse_deviation = 0;
};

template <typename T>
Moments moments_of(std::span<const T> values, double epsilon) {
  double sum = 0, squares = 0;
  for (const T value : values) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(values.size());
  for (const T value : values)
    squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(values.size()) + epsilon)};
}

// Ulyanov et al. 2016: each plane of each sample by its own statistics.
void instance_normalization(const OperatorCall& call) {
  expect_inputs(call, 3, 3);
  const Tensor& x = input(call, 0);
  expect_channels(x.dims);
  const double epsilon = call.node.real("epsilon", 1e-5F);
  const auto scale = per_channel(call, 1, "scale"), bias = per_channel(call, 2, "bias");
  const auto plane = static_cast<std::size_t>(extent_of(x.dims, 2, x.dims.size()));
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for (std::size_t p = 0; p < from.size(); p += plane) {
      const auto [mean, inverse] = moments_of(from.subspan(p, plane), epsilon);
      const std::size_t c = p / plane % scale.size();
      for (std::size_t i = p; i < p + plane; ++i)
        to[i] = static_cast<T>((static_cast<double>(from[i]) - mean) * inverse * scale[c] + bias[c]);
    }
  });
}

// Ba et al. 2016, over the axes from `axis` on; scale and bias broadcast to these.
void layer_normalization(const OperatorCall& call) {
  expect_inputs(call, 2, 3);
  const Tensor& x = input(call, 0);
  const std::size_t axis = axis_of(call.node.integer("axis", -1), x.dims.size());
  const double epsilon = call.node.real("epsilon", 1e-5F);
  const Dims inner(x.dims.begin() + static_cast<std::ptrdiff_t>(axis), x.dims.end());
  Dims statistics = x.dims;
  for (std::size_t d = axis; d < statistics.size(); ++d) statistics[d] = 1;
  const auto spread = [&](std::size_t index, double otherwise) {
    std::vector<double> values(static_cast<std::size_t>(extent_of(inner, 0, inner.size())), otherwise);
    if (const Tensor* tensor = optional_input(call, index)) {
      const std::vector<double> given = reals_of(*tensor, index == 1 ? "its scale" : "its bias");
      const Strides strides = broadcast_strides(tensor->dims, inner);
      walk<1>(inner, {&strides},
              [&](std::size_t i, const auto& at) { values[i] = given[static_cast<std::size_t>(at[0])]; });
    }
    return values;
  };
  const std::vector<double> scale = spread(1, 1), bias = spread(2, 0);
  std::vector<double> means, inverses;
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for (std::size_t p = 0; p < from.size(); p += scale.size()) {
      const auto [mean, inverse] = moments_of(from.subspan(p, scale.size()), epsilon);
      means.push_back(mean);
      inverses.push_back(inverse);
      for (std::size_t i = 0; i < scale.size(); ++i)
        to[p + i] = static_cast<T>((static_cast<double>(from[p + i]) - mean) * inverse * scale[i] + bias[i]);
    }
  });
  means.resize(static_cast<std::size_t>(*count_elements(statistics)));
  inverses.resize(means.size());
  if (wants_output(call, 1)) from_doubles(means, make_output(call, 1, ElementType::float32, statistics));
  if (wants_output(call, 2)) from_doubles(inverses, make_output(call, 2, ElementType::float32, statistics));
}

constexpr OperatorRow kRows[] = {
    {"BatchNormalization", batch_normalization, true},
    {"InstanceNormalization", instance_normalization, true},
    {"LayerNormalization", layer_normalization, true},
};

}  // namespace

std::span<const OperatorRow> norm_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
