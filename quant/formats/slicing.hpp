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

/// Which elements of a tensor share a scale.
struct Slicing {
  Grain grain = Grain::tensor;
  int axis = -1;  ///< from the end where it is negative; tensor: not looked at
  int size = 0;   ///< of a group; 0: the whole axis, so one scale for each row along it ("token")

  bool operator==(const Slicing&) const = default;
};

/// "tensor", "channel:0" (axis 0 is also what "channel" means), "group:32", "group:32:1" (32 along axis 1)
/// and "token" (one scale for all elements that differ only in their last index) or "token:1" (in index 1);
/// "vector" and "block" are other words for "group". `axis` is that of groups which name none. Throws
/// UserError that names `what` and what is allowed.
Slicing parse_slicing(std::string_view text, int axis, std::string_view what);
/// The text that parse_slicing turns into `slicing`, whatever its `axis`.
std::string slicing_to_string(const Slicing& slicing);

/// A C-contiguous tensor cut into slices, numbered in C order of their place: channels by their index; groups
/// by the tensor's indices with the group's number in place of the axis' index. Within a slice, elements keep
/// the tensor's order.
class Slices {
 public:
  /// Throws UserError for an axis out of range, a negative group size, an empty tensor, and sizes whose
  /// product overflows. A tensor without dimensions is one element, as if its shape were [1].
  Slices(std::span<const std::int64_t> shape, const Slicing& slicing);

  std::int64_t elements() const { return outer_ * axis_ * inner_; }
  std::int64_t size() const { return count_; }  ///< number of slices
  /// The shape that one number for each slice has: [] for tensor, [channels], or the tensor's shape with the
  /// number of groups in place of the axis.
  const std::vector<std::int64_t>& shape() const { return shape_; }
  /// Whether each slice is a run of length(slice) consecutive elements from first(slice) on.
  bool contiguous() const { return contiguous_; }

  std::int64_t first(std::int64_t slice) const;  ///< index in the tensor of a slice's first element
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
  void visit(std::int64_t slice, const Action& action) const {
    // Runs of `run` elements, each `stride` after the one before, `apart` from run to run.
    const std::int64_t run = grain_ == Grain::channel ? inner_ : length(slice);
    const std::int64_t stride = grain_ == Grain::group ? inner_ : 1;
    const std::int64_t runs = grain_ == Grain::channel ? outer_ : 1, apart = axis_ * inner_;
    const std::int64_t from = first(slice);
    for (std::int64_t r = 0, at = 0; r < runs; ++r)
      for (std::int64_t i = 0; i < run; ++i) action(from + r * apart + i * stride, at++);
  }

 private:
  Grain grain_;
  // The tensor as outer x axis x inner; `group_` elements along the axis share a slice.
  std::int64_t outer_ = 1, axis_ = 1, inner_ = 1;
  std::int64_t group_ = 1, groups_ = 1;
  std::int64_t count_ = 1, longest_ = 1;
  bool contiguous_ = true;
  std::vector<std::int64_t> shape_;
};

}  // namespace bitsmith::quant
