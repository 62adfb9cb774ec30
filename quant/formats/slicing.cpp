#include "quant/formats/slicing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::string_view kAllowed =
    "allowed: tensor, channel[:AXIS], group:SIZE[:AXIS] (also called vector or block), token[:AXIS]";

struct Words {
  std::string_view first;
  std::vector<std::string_view> rest;
};

Words split(std::string_view text) {
  Words words;
  for (std::size_t from = 0;;) {
    const std::size_t to = std::min(text.find(':', from), text.size());
    (from == 0 ? words.first : words.rest.emplace_back()) = text.substr(from, to - from);
    if (to == text.size()) return words;
    from = to + 1;
  }
}

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t product(std::span<const std::int64_t> shape) {
  std::int64_t so_far = 1;
  for (std::int64_t n : shape)
    if (__builtin_mul_overflow(so_far, n, &so_far))
      throw base::UserError(
          fmt::format("a tensor of shape [{}] has more elements than 2^63 - 1", fmt::join(shape, ", ")));
  return so_far;
}

void refuse_empty(std::span<const std::int64_t> shape) {
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] < 1)
      throw base::UserError(
          fmt::format("a tensor of shape [{}] has no elements: dimension {} is {}, needs at least 1",
                      fmt::join(shape, ", "), d, shape[d]));
}

/// From 0 on.
std::size_t place_of_axis(int axis, std::span<const std::int64_t> shape) {
  const int dimensions = static_cast<int>(shape.size());
  if (axis < -dimensions || axis >= dimensions)
    throw base::UserError(fmt::format("a tensor of shape [{}] has no axis {}; allowed: {} to {}",
                                      fmt::join(shape, ", "), axis, -dimensions, dimensions - 1));
  return static_cast<std::size_t>(axis < 0 ? axis + dimensions : axis);
}

}  // namespace

Slicing parse_slicing(std::string_view text, int axis, std::string_view what) {
  const Words words = split(text);
  const auto refuse = [&](std::string_view why) {
    return base::UserError(fmt::format("{}: '{}' {}; {}", what, text, why, kAllowed));
  };
  const auto number = [&](std::size_t at, std::string_view role) {
    const auto value = whole_number(words.rest[at]);
    if (!value) throw refuse(fmt::format("needs a whole number for its {}, not '{}'", role, words.rest[at]));
    return *value;
  };
  const auto at_most = [&](std::size_t most) {
    if (words.rest.size() > most)
      throw refuse(
          fmt::format("has {} numbers, '{}' takes at most {}", words.rest.size(), words.first, most));
  };

  if (words.first == "tensor") {
    at_most(0);
    return {};
  }
  if (words.first == "channel") {
    at_most(1);
    return {Grain::channel, words.rest.empty() ? 0 : number(0, "axis"), 0};
  }
  if (words.first == "token") {
    at_most(1);
    return {Grain::group, words.rest.empty() ? -1 : number(0, "axis"), 0};
  }
  if (words.first == "group" || words.first == "vector" || words.first == "block") {
    at_most(2);
    if (words.rest.empty()) throw refuse("does not say how many elements share a scale");
    const int size = number(0, "size");
    if (size < 1) throw refuse(fmt::format("has {} elements sharing a scale, needs at least 1", size));
    return {Grain::group, words.rest.size() > 1 ? number(1, "axis") : axis, size};
  }
  const std::vector<std::string> names{"tensor", "channel", "group", "vector", "block", "token"};
  throw refuse(fmt::format("is no granularity{}", base::did_you_mean(words.first, names)));
}

std::string slicing_to_string(const Slicing& slicing) {
  switch (slicing.grain) {
    case Grain::tensor:
      return "tensor";
    case Grain::channel:
      return fmt::format("channel:{}", slicing.axis);
    case Grain::group:
      break;
  }
  if (slicing.size > 0) return fmt::format("group:{}:{}", slicing.size, slicing.axis);
  return slicing.axis == -1 ? "token" : fmt::format("token:{}", slicing.axis);
}

Slices::Slices(std::span<const std::int64_t> given, const Slicing& slicing) : grain_(slicing.grain) {
  static constexpr std::int64_t kOne[] = {1};
  const std::span<const std::int64_t> shape = given.empty() ? std::span<const std::int64_t>(kOne) : given;
  refuse_empty(shape);
  product(shape);
  if (grain_ == Grain::tensor) {
    inner_ = longest_ = product(shape);
    return;
  }

  const std::size_t place = place_of_axis(slicing.axis, shape);
  outer_ = product(shape.first(place));
  axis_ = shape[place];
  inner_ = product(shape.subspan(place + 1));
  if (grain_ == Grain::channel) {
    count_ = axis_;
    longest_ = outer_ * inner_;
    contiguous_ = outer_ == 1 || axis_ == 1;
    shape_ = {axis_};
    return;
  }

  if (slicing.size < 0)
    throw base::UserError(fmt::format(
        "{} elements cannot share a scale; allowed: 1 or more, or 0 for the whole axis", slicing.size));
  group_ = slicing.size == 0 ? axis_ : std::min<std::int64_t>(slicing.size, axis_);
  groups_ = (axis_ + group_ - 1) / group_;
  count_ = outer_ * groups_ * inner_;
  longest_ = group_;
  contiguous_ = inner_ == 1 || group_ == 1;
  shape_.assign(shape.begin(), shape.end());
  shape_[place] = groups_;
}

std::int64_t Slices::first(std::int64_t slice) const {
  if (grain_ != Grain::group) return slice * inner_;  // a tensor's only slice is number 0
  const std::int64_t inner = slice % inner_, group = slice / inner_ % groups_,
                     outer = slice / inner_ / groups_;
  return (outer * axis_ + group * group_) * inner_ + inner;
}

std::int64_t Slices::length(std::int64_t slice) const {
  if (grain_ != Grain::group || groups_ * group_ == axis_) return longest_;
  return std::min(group_, axis_ - slice / inner_ % groups_ * group_);
}

}  // namespace bitsmith::quant
