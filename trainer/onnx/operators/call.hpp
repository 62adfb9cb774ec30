#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/onnx/evaluate.hpp"

/// What operators share: their inputs, room for outputs, and refusals.
namespace bitsmith::trainer::onnx {

/// Throws UserError. compute_node puts the node's title before it.
[[noreturn]] void fail(const std::string& why);

/// The input, which must be there.
const Tensor& input(const OperatorCall& call, std::size_t index);
/// nullptr: left out, or the node has fewer.
const Tensor* optional_input(const OperatorCall& call, std::size_t index);
/// Refuses nodes of fewer or more inputs.
void expect_inputs(const OperatorCall& call, std::size_t least, std::size_t most);

bool wants_output(const OperatorCall& call, std::size_t index);
/// Zeros, in the place of output `index`. Refuses dims of more elements than the call allows, and what its
/// budget has no bytes for.
Tensor& make_output(const OperatorCall& call, std::size_t index, ElementType type, Dims dims);

/// Takes them from the call's budget; refuses more than it has.
void take_operations(const OperatorCall& call, double operations);
/// Refuses more than some thousand operations for each element that the call allows, and more than its budget
/// has. Factors are >= 0.
void check_work(const OperatorCall& call, std::initializer_list<std::int64_t> factors);

/// The axis counted from 0. Refuses those outside [-rank, rank).
std::size_t axis_of(std::int64_t axis, std::size_t rank);
/// The same of several, which must differ.
std::vector<std::size_t> axes_of(const std::vector<std::int64_t>& axes, std::size_t rank);
/// Axes from an input where the node has it (its form since a newer opset), else from the attribute.
/// Nothing where both are left out.
std::optional<std::vector<std::int64_t>> optional_integers(const OperatorCall& call, std::size_t index,
                                                           std::string_view attribute);

/// The values of an int32 or int64 tensor of at most one dim; `what` is for messages.
std::vector<std::int64_t> integers_of(const Tensor& tensor, std::string_view what);
/// The values of a tensor of floats.
std::vector<double> reals_of(const Tensor& tensor, std::string_view what);
/// The only value.
double real_of(const Tensor& tensor, std::string_view what);
bool truth_of(const Tensor& tensor, std::string_view what);

void expect_type(const Tensor& tensor, ElementType type, std::string_view what);
void expect_same_type(const Tensor& a, const Tensor& b);
/// Whether the attribute, 0 or 1, is 1.
bool flag(const OperatorCall& call, std::string_view attribute, bool otherwise = false);
/// Refuses texts that are none of `allowed`.
std::string word(const OperatorCall& call, std::string_view attribute, std::string_view otherwise,
                 std::initializer_list<std::string_view> allowed);

/// The product of dims from `begin` up to `end`.
std::int64_t extent_of(const Dims& dims, std::size_t begin, std::size_t end);

}  // namespace bitsmith::trainer::onnx
