#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <optional>

#include "quant/base/random.hpp"
#include "tests/trainer/onnx/node_calls.hpp"

/// Convolutions and pools of every form against sums over a padded copy of the input.
namespace {
using namespace bitsmith;
using namespace bitsmith::tests;

/// One spatial axis as the operator's text says it.
struct Axis {
  std::int64_t input, kernel, stride, dilation, pad, pad_end, output;
};

struct Case {
  std::vector<Axis> axes;  ///< three, those that are left out of extent 1
  std::size_t used;
  Attributes attributes;
  bool ceil_mode = false;
};

/// A number of axes, extents, and attributes drawn at random.
Case draw(base::Rng& rng, bool is_pool) {
  const auto upto = [&](std::int64_t most) {
    return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most)));
  };
  Case drawn;
  drawn.used = 1 + rng.below(3);
  const char* words[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  const std::string auto_pad = words[rng.below(4)];
  drawn.ceil_mode = is_pool && rng.below(2) == 1;
  std::vector<std::int64_t> kernel, strides, dilations, begins, ends;
  for (std::size_t a = 0; a < 3; ++a) {
    if (a + drawn.used < 3) {
      drawn.axes.push_back({1, 1, 1, 1, 0, 0, 1});
      continue;
    }
    Axis axis{6 + upto(4), 1 + upto(3), 1 + upto(3), 1 + upto(2), 0, 0, 0};
    const std::int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
    if (auto_pad == "NOTSET") {
      axis.pad = upto(is_pool ? reach : 3);
      axis.pad_end = upto(is_pool ? reach : 3);
    }
    if (auto_pad.starts_with("SAME")) {
      axis.output = static_cast<std::int64_t>(
          std::ceil(static_cast<double>(axis.input) / static_cast<double>(axis.stride)));
      const std::int64_t total =
          std::max<std::int64_t>(0, (axis.output - 1) * axis.stride + reach - axis.input);
      axis.pad = auto_pad == "SAME_UPPER" ? total / 2 : (total + 1) / 2;
      axis.pad_end = total - axis.pad;
    } else {
      const double steps = static_cast<double>(axis.input + axis.pad + axis.pad_end - reach) /
                           static_cast<double>(axis.stride);
      axis.output = static_cast<std::int64_t>(drawn.ceil_mode ? std::ceil(steps) : std::floor(steps)) + 1;
      // A window that would begin in the padding at the end is none.
      if (drawn.ceil_mode && (axis.output - 1) * axis.stride >= axis.input + axis.pad) --axis.output;
    }
    kernel.push_back(axis.kernel);
    strides.push_back(axis.stride);
    dilations.push_back(axis.dilation);
    begins.push_back(axis.pad);
    ends.push_back(axis.pad_end);
    drawn.axes.push_back(axis);
  }
  drawn.attributes = {
      {"kernel_shape", list(kernel)}, {"strides", list(strides)}, {"dilations", list(dilations)}};
  if (auto_pad == "NOTSET") {
    begins.insert(begins.end(), ends.begin(), ends.end());
    drawn.attributes["pads"] = list(begins);
  } else {
    drawn.attributes["auto_pad"] = word(auto_pad);
  }
  if (drawn.ceil_mode) drawn.attributes["ceil_mode"] = integer(1);
  return drawn;
}

Dims dims_of(const Case& drawn, std::int64_t first, std::int64_t second, std::int64_t Axis::*extent) {
  Dims dims{first, second};
  for (std::size_t a = 3 - drawn.used; a < 3; ++a) dims.push_back(drawn.axes[a].*extent);
  return dims;
}

Tensor draw_tensor(base::Rng& rng, Dims dims) {
  Tensor result = Tensor::make(ElementType::float32, std::move(dims));
  for (float& element : result.as<float>()) element = static_cast<float>(rng.uniform(-1, 1));
  return result;
}

/// The input's element at kernel position k of output position o; nothing in the padding, `is_beyond` where
/// even that ends.
std::optional<std::int64_t> place(const Case& drawn, const std::int64_t (&o)[3], const std::int64_t (&k)[3],
                                  bool* is_beyond = nullptr) {
  std::int64_t index = 0;
  bool is_inside = true;
  for (std::size_t a = 0; a < 3; ++a) {
    const Axis& axis = drawn.axes[a];
    const std::int64_t at = o[a] * axis.stride + k[a] * axis.dilation - axis.pad;
    is_inside = is_inside && at >= 0 && at < axis.input;
    if (is_beyond && at >= axis.input + axis.pad_end) *is_beyond = true;
    index = index * axis.input + at;
  }
  return is_inside ? std::optional(index) : std::nullopt;
}

template <typename Body>
void for_each(const Case& drawn, std::int64_t Axis::*extent, Body body) {
  for (std::int64_t a = 0; a < drawn.axes[0].*extent; ++a)
    for (std::int64_t b = 0; b < drawn.axes[1].*extent; ++b)
      for (std::int64_t c = 0; c < drawn.axes[2].*extent; ++c) body({a, b, c});
}

std::int64_t plane(const Case& drawn, std::int64_t Axis::*extent) {
  return drawn.axes[0].*extent * drawn.axes[1].*extent * drawn.axes[2].*extent;
}

void check(const Tensor& got, const Dims& dims, const std::vector<double>& expected) {
  BOOST_REQUIRE_EQUAL(trainer::onnx::show(got.dims), trainer::onnx::show(dims));
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_REQUIRE_SMALL(got.as<float>()[i] - expected[i], 1e-5);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_windows)

BOOST_AUTO_TEST_CASE(convolutions_are_sums_over_the_padded_input) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    base::Rng rng(base::derive_seed(2, "convolution", seed));
    Case drawn = draw(rng, false);
    const auto groups = 1 + static_cast<std::int64_t>(rng.below(2)),
               in = 1 + static_cast<std::int64_t>(rng.below(2)),
               out = 1 + static_cast<std::int64_t>(rng.below(2));
    drawn.attributes["group"] = integer(groups);
    const Tensor x = draw_tensor(rng, dims_of(drawn, 2, groups * in, &Axis::input));
    const Tensor w = draw_tensor(rng, dims_of(drawn, groups * out, in, &Axis::kernel));
    const Tensor b = draw_tensor(rng, {groups * out});
    std::vector<double> expected;
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t m = 0; m < groups * out; ++m)
        for_each(drawn, &Axis::output, [&](const std::int64_t(&o)[3]) {
          double sum = b.as<float>()[static_cast<std::size_t>(m)];
          for (std::int64_t c = 0; c < in; ++c) {
            std::int64_t tap = (m * in + c) * plane(drawn, &Axis::kernel);
            for_each(drawn, &Axis::kernel, [&](const std::int64_t(&k)[3]) {
              const double weight = w.as<float>()[static_cast<std::size_t>(tap++)];
              const std::int64_t first = (n * groups * in + m / out * in + c) * plane(drawn, &Axis::input);
              if (const auto at = place(drawn, o, k))
                sum += weight * x.as<float>()[static_cast<std::size_t>(first + *at)];
            });
          }
          expected.push_back(sum);
        });
    check(compute("Conv", 13, {x, w, b}, drawn.attributes)[0], dims_of(drawn, 2, groups * out, &Axis::output),
          expected);
  }
}

BOOST_AUTO_TEST_CASE(pools_are_the_largest_and_the_mean_of_their_windows) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    base::Rng rng(base::derive_seed(2, "pool", seed));
    Case drawn = draw(rng, true);
    const Tensor x = draw_tensor(rng, dims_of(drawn, 1, 2, &Axis::input));
    const bool counts_padding = rng.below(2) == 1;
    std::vector<double> largest, mean;
    for (std::int64_t c = 0; c < 2; ++c)
      for_each(drawn, &Axis::output, [&](const std::int64_t(&o)[3]) {
        double most = -INFINITY, sum = 0, count = 0;
        for_each(drawn, &Axis::kernel, [&](const std::int64_t(&k)[3]) {
          bool is_beyond = false;
          if (const auto at = place(drawn, o, k, &is_beyond)) {
            const double element =
                x.as<float>()[static_cast<std::size_t>(c * plane(drawn, &Axis::input) + *at)];
            most = std::max(most, element);
            sum += element;
            ++count;
          } else if (counts_padding && !is_beyond) {
            ++count;
          }
        });
        largest.push_back(most);
        mean.push_back(count > 0 ? sum / count : 0);
      });
    const Dims dims = dims_of(drawn, 1, 2, &Axis::output);
    const auto got = compute("MaxPool", 13, {x}, drawn.attributes, 2);
    BOOST_REQUIRE_EQUAL(trainer::onnx::show(got[0].dims), trainer::onnx::show(dims));
    for (std::size_t i = 0; i < largest.size(); ++i) {
      BOOST_REQUIRE_EQUAL(got[0].as<float>()[i], largest[i]);
      if (std::isfinite(largest[i]))
        BOOST_REQUIRE_EQUAL(x.as<float>()[static_cast<std::size_t>(got[1].as<std::int64_t>()[i])],
                            largest[i]);
    }
    Attributes attributes = drawn.attributes;
    attributes["count_include_pad"] = integer(counts_padding ? 1 : 0);
    check(compute("AveragePool", 19, {x}, attributes)[0], dims, mean);
  }
}

BOOST_AUTO_TEST_SUITE_END()
