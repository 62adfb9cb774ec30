#include "quant/base/aligned_vector.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>

using namespace bitsmith;

BOOST_AUTO_TEST_SUITE(aligned_vector)

BOOST_AUTO_TEST_CASE(any_size_starts_at_a_cache_line_and_holds_its_values) {
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  for (std::size_t size : {std::size_t{1}, std::size_t{63}, kMegabyte, 4 * kMegabyte, 5 * kMegabyte + 1}) {
    base::AlignedVector<std::uint8_t> vector(size, 7);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(vector.data()) % 64 == 0u);
    BOOST_TEST((std::count(vector.begin(), vector.end(), 7) == static_cast<std::ptrdiff_t>(size)));
    base::AlignedVector<std::uint8_t> copy = vector, moved = std::move(vector);
    BOOST_TEST((copy == moved));
  }
}

BOOST_AUTO_TEST_SUITE_END()
