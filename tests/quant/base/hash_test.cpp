#include "quant/base/hash.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <set>

namespace {
using bitsmith::base::Hasher;

std::string hex_of(const std::function<void(Hasher&)>& add) {
  Hasher hasher;
  add(hasher);
  return hasher.hex();
}
}  // namespace

BOOST_AUTO_TEST_SUITE(hashes)

BOOST_AUTO_TEST_CASE(nothing_hashes_to_the_published_value_of_xxh3) {
  BOOST_TEST(Hasher().hex() == "2d06800538d394c2");  // XXH3_64bits of no bytes, seed 0
}

BOOST_AUTO_TEST_CASE(streams_that_differ_in_structure_differ) {
  const std::set<std::string> hashes{
      hex_of([](Hasher& h) { h.add("ab"); }),
      hex_of([](Hasher& h) { h.add("a"), h.add("b"); }),
      hex_of([](Hasher& h) { h.add("a"), h.add("b"), h.add(""); }),
      hex_of([](Hasher& h) { h.add(""), h.add("ab"); }),
      hex_of([](Hasher& h) { h.add("b"), h.add("a"); }),
      hex_of([](Hasher& h) { h.add(1), h.add(2); }),
      hex_of([](Hasher& h) { h.add(2), h.add(1); }),
      hex_of([](Hasher& h) { h.add(-1); }),
      hex_of([](Hasher& h) { h.add(1.0); }),
      hex_of([](Hasher& h) { h.add(-0.0); }),
      hex_of([](Hasher& h) { h.add(0.0); }),
  };
  BOOST_TEST(hashes.size() == 11u);
}

BOOST_AUTO_TEST_CASE(equal_numbers_of_any_integer_type_hash_alike) {
  const auto as_int = hex_of([](Hasher& h) { h.add(-5); });
  BOOST_TEST(hex_of([](Hasher& h) { h.add(std::int64_t{-5}); }) == as_int);
  const std::byte bytes[] = {std::byte{'a'}, std::byte{'b'}};
  BOOST_TEST(hex_of([&](Hasher& h) { h.add(std::span<const std::byte>(bytes)); }) ==
             hex_of([](Hasher& h) { h.add("ab"); }));
}

BOOST_AUTO_TEST_CASE(hex_is_the_value_in_sixteen_digits) {
  Hasher hasher;
  hasher.add("x");
  BOOST_TEST(hasher.hex().size() == 16u);
  BOOST_TEST(std::stoull(hasher.hex(), nullptr, 16) == hasher.value());
}

BOOST_AUTO_TEST_SUITE_END()
