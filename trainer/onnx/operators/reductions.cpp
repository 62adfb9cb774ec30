#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <vector>

#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

struct Reduction {
  std::vector<bool> is_reduced;  ///< for each axis
  Dims kept;                     ///< of the input's rank, 1 where reduced
  Dims result;
  Strides strides;        ///< of the result, seen as the input
  std::int64_t each = 1;  ///< elements that make one
  bool is_identity = false;
};

// Axes are an attribute, or (ReduceSum from opset 13, the others from 18) an input.
Reduction reduction_of(const OperatorCall& call) {
  expect_inputs(call, 1, 2);
  const Dims& x = input(call, 0).dims;
  Reduction reduction;
  const auto axes = optional_integers(call, 1, "axes").value_or(std::vector<std::int64_t>{});
  reduction.is_identity = axes.empty() && flag(call, "noop_with_empty_axes");
  reduction.is_reduced.assign(x.size(), axes.empty() && !reduction.is_identity);
  for (const std::size_t axis : axes_of(axes, x.size())) reduction.is_reduced[axis] = true;
  const bool keeps = flag(call, "keepdims", true);
  for (std::size_t d = 0; d < x.size(); ++d) {
    const bool is_reduced = reduction.is_reduced[d];
    if (is_reduced) reduction.each *= x[d];
    reduction.kept.push_back(is_reduced ? 1 : x[d]);
    if (keeps || !is_reduced) reduction.result.push_back(reduction.kept.back());
  }
  reduction.strides = row_major(reduction.kept);
  for (std::size_t d = 0; d < x.size(); ++d)
    if (reduction.is_reduced[d]) reduction.strides[d] = 0;
  return reduction;
}

/// y = finish(sum of f(x)), in double.
template <typename F, typename Finish>
void reduce_reals(const OperatorCall& call, const Reduction& reduction, F f, Finish finish) {
  const Tensor& x = input(call, 0);
  Tensor& y = make_output(call, 0, x.type, reduction.result);
  std::vector<double> sums(static_cast<std::size_t>(y.elements()), 0.0);
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    walk<1>(x.dims, {&reduction.strides}, [&](std::size_t i, const auto& at) {
      sums[static_cast<std::size_t>(at[0])] += f(static_cast<double>(from[i]));
    });
  });
  for (double& sum : sums) sum = finish(sum);
  from_doubles(sums, y);
}

/// y = fold of x from `start` on (nothing: the first element), in the type of x.
template <typename F>
void reduce_numbers(const OperatorCall& call, std::optional<int> start, F f) {
  const Reduction reduction = reduction_of(call);
  const Tensor& x = input(call, 0);
  Tensor& y = make_output(call, 0, x.type, reduction.result);
  if (!start && reduction.each == 0 && y.elements() > 0)
    fail(fmt::format("of {}: there is nothing", show(x.dims)));
  visit_numbers_and_booleans(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = y.as<T>();
    std::vector<bool> has_value(to.size(), start.has_value());
    if (start) std::fill(to.begin(), to.end(), static_cast<T>(*start));
    walk<1>(x.dims, {&reduction.strides}, [&](std::size_t i, const auto& at) {
      const auto o = static_cast<std::size_t>(at[0]);
      to[o] = has_value[o] ? f(to[o], from[i]) : from[i];
      has_value[o] = true;
    });
  });
}

bool is_integer(const OperatorCall& call) { return !is_float(input(call, 0).type); }
double same(double x) { return x; }
double square(double x) { return x * x; }
double magnitude(double x) { return std::abs(x); }

void reduce_sum(const OperatorCall& call) {
  if (is_integer(call)) return reduce_numbers(call, 0, []<typename T>(T a, T b) { return plus(a, b); });
  reduce_reals(call, reduction_of(call), same, same);
}

template <typename T>
T mean_of(T sum, std::int64_t count) {
  if constexpr (std::is_signed_v<T>) return static_cast<T>(static_cast<std::int64_t>(sum) / count);
  return static_cast<T>(static_cast<std::uint64_t>(sum) / static_cast<std::uint64_t>(count));
}

// Of integers: towards zero.
void reduce_mean(const OperatorCall& call) {
  const Reduction reduction = reduction_of(call);
  if (is_integer(call)) {
    if (reduction.each == 0) fail(fmt::format("of {}: there is nothing", show(input(call, 0).dims)));
    reduce_sum(call);
    visit_numbers(call.outputs[0].type, [&]<typename T>() {
      for (T& value : call.outputs[0].as<T>()) value = mean_of(value, reduction.each);
    });
    return;
  }
  const auto count = static_cast<double>(reduction.each);
  reduce_reals(call, reduction, same, [=](double sum) { return sum / count; });
}

void reduce_prod(const OperatorCall& call) {
  reduce_numbers(call, 1, []<typename T>(T a, T b) { return times(a, b); });
}

// NaN wins.
void reduce_max(const OperatorCall& call) {
  reduce_numbers(call, std::nullopt, [](auto a, auto b) { return a > b || a != a ? a : b; });
}
void reduce_min(const OperatorCall& call) {
  reduce_numbers(call, std::nullopt, [](auto a, auto b) { return a < b || a != a ? a : b; });
}

template <double (*Of)(double), double (*Finish)(double)>
void reduce_of(const OperatorCall& call) {
  reduce_reals(call, reduction_of(call), Of, Finish);
}

void reduce_log_sum_exp(const OperatorCall& call) {
  const Reduction reduction = reduction_of(call);
  const Tensor& x = input(call, 0);
  Tensor& y = make_output(call, 0, x.type, reduction.result);
  std::vector<double> most(static_cast<std::size_t>(y.elements()), -std::numeric_limits<double>::infinity());
  std::vector<double> sums(most.size(), 0.0);
  const std::vector<double> from = reals_of(x, "its input");
  walk<1>(x.dims, {&reduction.strides}, [&](std::size_t i, const auto& at) {
    double& value = most[static_cast<std::size_t>(at[0])];
    value = std::max(value, from[i]);
  });
  walk<1>(x.dims, {&reduction.strides}, [&](std::size_t i, const auto& at) {
    const auto o = static_cast<std::size_t>(at[0]);
    sums[o] += std::isinf(most[o]) ? std::exp(from[i]) : std::exp(from[i] - most[o]);
  });
  for (std::size_t o = 0; o < sums.size(); ++o)
    sums[o] = std::log(sums[o]) + (std::isinf(most[o]) ? 0 : most[o]);
  from_doubles(sums, y);
}

template <bool is_max>
void arg(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  const std::size_t axis = axis_of(call.node.integer("axis", 0), x.dims.size());
  const bool takes_last = flag(call, "select_last_index");
  Dims dims = x.dims;
  if (flag(call, "keepdims", true)) {
    dims[axis] = 1;
  } else {
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  const auto along = static_cast<std::size_t>(x.dims[axis]);
  const auto inner = static_cast<std::size_t>(extent_of(x.dims, axis + 1, x.dims.size()));
  const auto to = make_output(call, 0, ElementType::int64, dims).as<std::int64_t>();
  if (along == 0 && !to.empty()) fail(fmt::format("of {}: there is nothing", show(x.dims)));
  visit_numbers(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    for (std::size_t o = 0; o < to.size(); ++o) {
      const std::size_t first = o / inner * along * inner + o % inner;
      std::size_t best = 0;
      for (std::size_t k = 1; k < along; ++k) {
        const T value = from[first + k * inner], champion = from[first + best * inner];
        if ((is_max ? value > champion : value < champion) || (takes_last && value == champion)) best = k;
      }
      to[o] = static_cast<std::int64_t>(best);
    }
  });
}

constexpr OperatorRow kRows[] = {
    {"ArgMax", arg<true>, true},
    {"ArgMin", arg<false>, true},
    {"ReduceL1", reduce_of<magnitude, same>, true},
    {"ReduceL2", reduce_of<square, std::sqrt>, true},
    {"ReduceLogSum", reduce_of<same, std::log>, true},
    {"ReduceLogSumExp", reduce_log_sum_exp, true},
    {"ReduceMax", reduce_max, true},
    {"ReduceMean", reduce_mean, true},
    {"ReduceMin", reduce_min, true},
    {"ReduceProd", reduce_prod, true},
    {"ReduceSum", reduce_sum, true},
    {"ReduceSumSquare", reduce_of<square, same>, true},
};

}  // namespace

std::span<const OperatorRow> reduction_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
