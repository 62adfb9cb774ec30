#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// The same elements under other dims.
void give_as(const OperatorCall& call, Dims dims) {
  const Tensor& x = input(call, 0);
  if (count_elements(dims) != x.elements())
    fail(fmt::format("{} does not become {}", show(x.dims), show(dims)));
  make_output(call, 0, x.type, std::move(dims)).bytes = x.bytes;
}

// 0 is the input's extent, or with allowzero 0; -1 is what remains.
void reshape(const OperatorCall& call) {
  expect_inputs(call, 1, 2);
  const Dims& x = input(call, 0).dims;
  const auto wanted = optional_integers(call, 1, "shape");
  if (!wanted) fail("shape is missing");
  const bool allows_zero = flag(call, "allowzero");
  Dims dims = *wanted;
  const auto refuse = [&] { fail(fmt::format("{} does not become {}", show(x), show(*wanted))); };
  std::size_t open = dims.size();
  Dims known;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 0 && !allows_zero) {
      if (d >= x.size()) refuse();
      dims[d] = x[d];
    }
    if (dims[d] == -1 && open == dims.size()) {
      open = d;
    } else {
      known.push_back(dims[d]);
    }
  }
  if (open < dims.size()) {
    const auto product = count_elements(known);
    const std::int64_t elements = input(call, 0).elements();
    if (!product || *product == 0 || elements % *product != 0) refuse();
    dims[open] = elements / *product;
  }
  give_as(call, std::move(dims));
}

void flatten(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Dims& x = input(call, 0).dims;
  const std::int64_t axis = call.node.integer("axis", 1);
  const std::size_t at = axis == static_cast<std::int64_t>(x.size()) ? x.size() : axis_of(axis, x.size());
  give_as(call, {extent_of(x, 0, at), extent_of(x, at, x.size())});
}

// Axes are an attribute before opset 13, an input from then on; without them all of extent 1.
void squeeze(const OperatorCall& call) {
  expect_inputs(call, 1, 2);
  const Dims& x = input(call, 0).dims;
  std::vector<bool> is_gone(x.size());
  if (const auto axes = optional_integers(call, 1, "axes")) {
    for (const std::size_t axis : axes_of(*axes, x.size())) {
      if (x[axis] != 1) fail(fmt::format("axis {} of {} is not 1", axis, show(x)));
      is_gone[axis] = true;
    }
  } else {
    for (std::size_t d = 0; d < x.size(); ++d) is_gone[d] = x[d] == 1;
  }
  Dims dims;
  for (std::size_t d = 0; d < x.size(); ++d)
    if (!is_gone[d]) dims.push_back(x[d]);
  give_as(call, std::move(dims));
}

void unsqueeze(const OperatorCall& call) {
  expect_inputs(call, 1, 2);
  const Dims& x = input(call, 0).dims;
  const auto axes = optional_integers(call, 1, "axes");
  if (!axes) fail("axes are missing");
  const std::size_t rank = x.size() + axes->size();
  if (rank > kMostDims) fail(fmt::format("its output would have {} dims", rank));
  std::vector<bool> is_new(rank);
  for (const std::size_t axis : axes_of(*axes, rank)) is_new[axis] = true;
  Dims dims;
  auto next = x.begin();
  for (std::size_t d = 0; d < rank; ++d) dims.push_back(is_new[d] ? 1 : *next++);
  give_as(call, std::move(dims));
}

void identity(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  give_as(call, input(call, 0).dims);
}

// In inference what comes in goes out. The second output, all true, was of the type of x before opset 10.
void dropout(const OperatorCall& call) {
  expect_inputs(call, 1, 3);
  const Tensor& x = input(call, 0);
  if (const Tensor* training = optional_input(call, 2); training && truth_of(*training, "training_mode")) {
    const Tensor* ratio = optional_input(call, 1);
    if (!ratio || real_of(*ratio, "ratio") != 0) fail("training is not computed");
  }
  give_as(call, x.dims);
  if (!wants_output(call, 1)) return;
  const ElementType type = call.opset < 10 ? x.type : ElementType::boolean;
  Tensor& mask = make_output(call, 1, type, x.dims);
  from_doubles(std::vector<double>(static_cast<std::size_t>(x.elements()), 1.0), mask);
}

constexpr OperatorRow kRows[] = {
    {"Dropout", dropout}, {"Flatten", flatten}, {"Identity", identity},
    {"Reshape", reshape}, {"Squeeze", squeeze}, {"Unsqueeze", unsqueeze},
};

}  // namespace

std::span<const OperatorRow> reshape_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
