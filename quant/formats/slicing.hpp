#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::quant {

/// What shares one scale.
enum class Grain {
  tensor,   ///< everything
  channel,  ///< all elements of one index of `axis`
  group,    ///< `size` consecutive elements along `axis` (also: vector, block); the last may be shorter
};

/// Which elements of a tensor share a scale. `axis` counts from the end where it is negative.
struct Slicing {
  Grain grain = Grain::tensor;
  int axis = -1;
  int size = 0;  ///< of a group

  bool operator==(const Slicing&) const = default;
};

/// "tensor", "channel:0", "group:32", "group:32:1" (of axis 1), "token" (channel of every axis but the last is
/// not meant: rows of a matrix, channel:0); "vector" and "block" are other words for "group". `axis` is that
/// of groups which name none. Throws UserError that names `what` and what is allowed.
Slicing parse_slicing(std::string_view text, int axis, std::string_view what);
std::string slicing_to_string(const Slicing& slicing);

/// A tensor cut into slices, numbered in C order of their place: the elements of slice s are
///     first(s) + i * stride(), i < count(s)                       for groups,
///     and for channels runs of `run()` consecutive elements, `run_stride()` apart.
/// Tensors are C-contiguous.
class Slices {
 public:
  /// Throws UserError for an axis out of range, a group size below 1, an empty tensor, and sizes whose product
  /// overflows. A tensor without dimensions is one element.
  Slices(std::span<const std::int64_t> shape, const Slicing& slicing);

  std::int64_t elements() const { return elements_; }
  std::int64_t size() const { return count_; }  ///< number of slices
  /// The shape that one number for each slice has: [] for tensor, [channels], or the tensor's shape with the
  /// number of groups in place of the axis.
  const std::vector<std::int64_t>& shape() const { return shape_; }
  /// Whether each slice is a run of consecutive elements, all of the same length but perhaps each axis' last.
  bool contiguous() const { return contiguous_; }

  std::int64_t length(std::int64_t slice) const;
  std::int64_t longest() const { return longest_; }
  /// Copies a slice's elements out, in order, and back.
  template <typename T>
  void gather(std::int64_t slice, const T* tensor, T* out) const {
    visit(slice, [&](std::int64_t from, std::int64_t at) { out[at] = tensor[from]; });
  }
  template <typename T>
  void scatter(std::int64_t slice, const T* values, T* tensor) const {
    visit(slice, [&](std::int64_t to, std::int64_t at) { tensor[to] = values[at]; });
  }
  /// `action(index in the tensor, index in the slice)` for each element, in order.
  template <typename Action>
  void visit(std::int64_t slice, const Action& action) const;

 private:
  std::int64_t elements_ = 1, count_ = 1, longest_ = 0;
  // The tensor as outer x axis x inner; `group_` elements of the axis share a slice.
  std::int64_t outer_ = 1, axis_ = 1, inner_ = 1, group_ = 1, groups_ = 1;
  Grain grain_ = Grain::tensor;
  bool contiguous_ = true;
  std::vector<std::int64_t> shape_;
};

template <typename Action>
void Slices::visit(std::int64_t slice, const Action& action) const {
  std::int64_t at = 0;
  if (grain_ == Grain::channel) {
    for (std::int64_t o = 0; o < outer_; ++o)
      for (std::int64_t i = 0; i < inner_; ++i) action((o * axis_ + slice) * inner_ + i, at++);
    return;
  }
  if (grain_ == Grain::tensor) {
    for (; at < elements_; ++at) action(at, at);
    return;
  }
  const std::int64_t inner = slice % inner_, group = slice / inner_ % groups_, outer = slice / inner_ / groups_;
  const std::int64_t end = (group + 1) * group_ < axis_ ? (group + 1) * group_ : axis_;
  for (std::int64_t a = group * group_; a < end; ++a) action((outer * axis_ + a) * inner_ + inner, at++);
}

}  // namespace bitsmith::quant
