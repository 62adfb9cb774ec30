#include "quant/formats/slicing.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

using Shape = std::vector<std::int64_t>;

std::string problem_of(const auto& action) {
  try {
    action();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no problem";
}

std::string problem_of_text(std::string_view text) {
  return problem_of([&] { parse_slicing(text, -1, "weights"); });
}

std::string problem_of_shape(const Shape& shape, const Slicing& slicing) {
  return problem_of([&] { Slices(shape, slicing); });
}

std::vector<std::int64_t> indices_of(const Slices& slices, std::int64_t slice) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(slices.elements())), out;
  std::iota(all.begin(), all.end(), 0);
  out.resize(static_cast<std::size_t>(slices.length(slice)), -1);
  slices.gather(slice, all.data(), out.data());
  return out;
}

// The number of the slice that holds each element, from the definition: by the element's own indices.
std::vector<std::int64_t> slice_of_each(const Shape& shape, const Slicing& slicing) {
  const std::size_t axis = static_cast<std::size_t>(
      slicing.axis < 0 ? slicing.axis + static_cast<int>(shape.size()) : slicing.axis);
  const std::int64_t size = slicing.size == 0 ? shape[axis] : slicing.size;
  const std::int64_t elements =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies{});
  std::vector<std::int64_t> slices;
  for (std::int64_t e = 0; e < elements; ++e) {
    Shape index(shape.size());
    std::int64_t rest = e;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) index[d] = rest % shape[d];
    std::int64_t place = slicing.grain == Grain::channel ? index[axis] : 0;
    if (slicing.grain == Grain::group)
      for (std::size_t d = 0; d < shape.size(); ++d)
        place = d == axis ? place * ((shape[d] + size - 1) / size) + index[d] / size
                          : place * shape[d] + index[d];
    slices.push_back(place);
  }
  return slices;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slicing)

BOOST_AUTO_TEST_CASE(names_are_read_and_written) {
  BOOST_CHECK((parse_slicing("tensor", 1, "w") == Slicing{}));
  BOOST_CHECK((parse_slicing("channel", 1, "w") == Slicing{Grain::channel, 0, 0}));
  BOOST_CHECK((parse_slicing("channel:-2", 1, "w") == Slicing{Grain::channel, -2, 0}));
  BOOST_CHECK((parse_slicing("group:32", 1, "w") == Slicing{Grain::group, 1, 32}));
  BOOST_CHECK((parse_slicing("vector:16:-1", 1, "w") == Slicing{Grain::group, -1, 16}));
  BOOST_CHECK((parse_slicing("block:8:0", 1, "w") == Slicing{Grain::group, 0, 8}));
  BOOST_CHECK((parse_slicing("token", 1, "w") == Slicing{Grain::group, -1, 0}));
  BOOST_CHECK((parse_slicing("token:1", 0, "w") == Slicing{Grain::group, 1, 0}));
  for (const char* text :
       {"tensor", "channel:0", "channel:-1", "group:32:-1", "group:3:2", "token", "token:0"})
    BOOST_TEST(slicing_to_string(parse_slicing(text, 7, "w")) == text);
}

BOOST_AUTO_TEST_CASE(what_is_no_granularity_is_refused_with_what_is_allowed) {
  const std::string allowed =
      "; allowed: tensor, channel[:AXIS], group:SIZE[:AXIS] (also called vector or block), token[:AXIS]";
  const auto says = [&](const char* text, const std::string& why) {
    BOOST_TEST(problem_of_text(text) == "weights: '" + std::string(text) + "' " + why + allowed);
  };
  says("", "is no granularity");
  says("chanel:0", "is no granularity, did you mean 'channel'?");
  says("tensor:0", "has 1 numbers, 'tensor' takes at most 0");
  says("channel:0:1", "has 2 numbers, 'channel' takes at most 1");
  says("channel:x", "needs a whole number for its axis, not 'x'");
  says("channel:", "needs a whole number for its axis, not ''");
  says("group", "does not say how many elements share a scale");
  says("group:0", "has 0 elements sharing a scale, needs at least 1");
  says("block:-4", "has -4 elements sharing a scale, needs at least 1");
  says("group:32.5", "needs a whole number for its size, not '32.5'");
  says("group:99999999999", "needs a whole number for its size, not '99999999999'");
}

BOOST_AUTO_TEST_CASE(every_element_is_in_the_slice_that_its_indices_say) {
  const Shape shapes[] = {{1}, {7}, {4, 6}, {3, 5, 2}, {2, 3, 4, 5}, {1, 1, 9}, {5, 1, 1}};
  for (const Shape& shape : shapes) {
    const int dimensions = static_cast<int>(shape.size());
    std::vector<Slicing> cuts{{}};
    for (int axis = -dimensions; axis < dimensions; ++axis) {
      cuts.push_back({Grain::channel, axis, 0});
      for (int size : {0, 1, 2, 3, 4, 100}) cuts.push_back({Grain::group, axis, size});
    }
    for (const Slicing& cut : cuts) {
      BOOST_TEST_CONTEXT(slicing_to_string(cut) << " of " << dimensions << " dimensions") {
        const Slices slices(shape, cut);
        const auto expected = slice_of_each(shape, cut);
        BOOST_TEST(slices.size() == std::ranges::max(expected) + 1);
        BOOST_TEST(std::accumulate(slices.shape().begin(), slices.shape().end(), std::int64_t{1},
                                   std::multiplies{}) == slices.size());
        std::vector<std::int64_t> found(expected.size(), -1);
        std::int64_t longest = 0;
        bool contiguous = true;
        for (std::int64_t s = 0; s < slices.size(); ++s) {
          const auto indices = indices_of(slices, s);
          BOOST_TEST(std::ranges::is_sorted(indices));
          BOOST_TEST(indices.front() == slices.first(s));
          longest = std::max(longest, slices.length(s));
          contiguous = contiguous && indices.back() - indices.front() + 1 == slices.length(s);
          const std::vector<std::int64_t> number(indices.size(), s);
          slices.scatter(s, number.data(), found.data());
        }
        BOOST_TEST(found == expected, boost::test_tools::per_element());
        BOOST_TEST(slices.longest() == longest);
        BOOST_TEST(slices.contiguous() == contiguous);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(scales_have_the_shape_of_their_slices) {
  const Shape shape{6, 10, 3};
  BOOST_TEST(Slices(shape, {}).shape().empty());
  BOOST_TEST(Slices(shape, {Grain::channel, -2, 0}).shape() == Shape{10}, boost::test_tools::per_element());
  BOOST_TEST(Slices(shape, {Grain::group, 1, 4}).shape() == (Shape{6, 3, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(Slices(shape, {Grain::group, -1, 0}).shape() == (Shape{6, 10, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_ragged_group_is_shorter_and_a_strided_one_is_gathered) {
  const Slices rows(Shape{2, 5}, {Grain::group, 1, 3});
  BOOST_TEST(indices_of(rows, 1) == (std::vector<std::int64_t>{3, 4}), boost::test_tools::per_element());
  BOOST_TEST(rows.contiguous());
  const Slices columns(Shape{5, 2}, {Grain::group, 0, 3});
  BOOST_TEST(indices_of(columns, 1) == (std::vector<std::int64_t>{1, 3, 5}),
             boost::test_tools::per_element());
  BOOST_TEST(indices_of(columns, 2) == (std::vector<std::int64_t>{6, 8}), boost::test_tools::per_element());
  BOOST_TEST(!columns.contiguous());
}

BOOST_AUTO_TEST_CASE(a_tensor_without_dimensions_is_one_element) {
  for (const Slicing& cut : {Slicing{}, Slicing{Grain::channel, 0, 0}, Slicing{Grain::group, -1, 32}}) {
    const Slices slices(Shape{}, cut);
    BOOST_TEST(slices.elements() == 1);
    BOOST_TEST(slices.size() == 1);
    BOOST_TEST(slices.length(0) == 1);
  }
}

BOOST_AUTO_TEST_CASE(shapes_and_axes_that_do_not_go_together_are_refused) {
  BOOST_TEST(problem_of_shape({3, 0}, {}) ==
             "a tensor of shape [3, 0] has no elements: dimension 1 is 0, needs at least 1");
  BOOST_TEST(problem_of_shape({-2}, {}) ==
             "a tensor of shape [-2] has no elements: dimension 0 is -2, needs at least 1");
  BOOST_TEST(problem_of_shape({3, 4}, {Grain::channel, 2, 0}) ==
             "a tensor of shape [3, 4] has no axis 2; allowed: -2 to 1");
  BOOST_TEST(problem_of_shape({3, 4}, {Grain::group, -3, 8}) ==
             "a tensor of shape [3, 4] has no axis -3; allowed: -2 to 1");
  BOOST_TEST(problem_of_shape({3, 4}, {Grain::group, 0, -8}) ==
             "-8 elements cannot share a scale; allowed: 1 or more, or 0 for the whole axis");
  BOOST_TEST(problem_of_shape({std::int64_t{1} << 40, std::int64_t{1} << 40}, {}) ==
             "a tensor of shape [1099511627776, 1099511627776] has more elements than 2^63 - 1");
}

BOOST_AUTO_TEST_SUITE_END()
