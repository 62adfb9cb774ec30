#include "quant/packing.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

std::vector<std::int8_t> random_nibbles(std::size_t n, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<std::int8_t> values(n);
  for (auto& v : values) v = static_cast<std::int8_t>(static_cast<int>(rng.below(16)) - 8);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(packing)

BOOST_AUTO_TEST_CASE(every_pair_of_nibbles_comes_back) {
  std::vector<std::int8_t> values;
  for (int a = -8; a <= 7; ++a)
    for (int b = -8; b <= 7; ++b)
      values.insert(values.end(), {static_cast<std::int8_t>(a), static_cast<std::int8_t>(b)});
  const auto bytes = pack_int4(values);
  BOOST_TEST(bytes.size() == 256u);
  BOOST_TEST(unpack_int4(bytes, 512) == values, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_first_weight_lies_in_the_low_nibble) {
  BOOST_TEST(pack_int4(std::vector<std::int8_t>{1, -1, 5}) == (std::vector<std::uint8_t>{0xF1, 0x05}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(any_number_of_weights_comes_back) {
  for (std::size_t n = 0; n < 20; ++n) {
    const auto values = random_nibbles(n, n);
    const auto bytes = pack_int4(values);
    BOOST_TEST(bytes.size() == (n + 1) / 2);
    BOOST_TEST(unpack_int4(bytes, static_cast<std::int64_t>(n)) == values, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(hostile_sizes_and_spare_bits_are_refused) {
  const std::vector<std::uint8_t> bytes = {0x21, 0x43};
  for (std::int64_t count :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{2}, std::int64_t{5},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()})
    BOOST_CHECK_THROW(unpack_int4(bytes, count), base::UserError);
  BOOST_CHECK_THROW(unpack_int4(bytes, 3), base::UserError);  // the last nibble, 4, belongs to nothing
  BOOST_CHECK_THROW(unpack_int4({}, 1), base::UserError);
  BOOST_TEST(unpack_int4({}, 0).empty());
}

BOOST_AUTO_TEST_CASE(a_weight_that_does_not_fit_is_named) {
  try {
    pack_int4(std::vector<std::int8_t>{0, 7, 8});
    BOOST_TEST(false, "it was accepted");
  } catch (const base::UserError& error) {
    BOOST_TEST(std::string(error.what()) == "int4: element 2 of 3 is 8; 4 bits hold -8 to 7");
  }
}

BOOST_AUTO_TEST_CASE(a_packed_matrix_gives_its_weights_back_in_every_layout) {
  for (int outputs : {1, 15, 16, 17, 64, 65, 130})
    for (std::int64_t depth : {1, 2, 3, 4, 7, 8, 9, 27, 64})
      for (int bits : {2, 4, 8})
        for (int interleave : {1, 4}) {
          auto weights = random_nibbles(static_cast<std::size_t>(outputs * depth), 9);
          if (bits == 2)
            for (auto& w : weights) w = static_cast<std::int8_t>((w & 3) - 2);
          const PackedMatrix matrix(weights, outputs, depth, bits, interleave);
          BOOST_TEST((matrix.unpack() == weights));
          BOOST_TEST(matrix.padded_depth() % (2 * interleave) == 0);
          std::int64_t columns = 0;
          int used = 0;
          for (int b = 0; b < matrix.blocks(); ++b) columns += matrix.width(b), used += matrix.used(b);
          BOOST_TEST(used == outputs);
          BOOST_TEST(matrix.bytes() == columns * matrix.padded_depth() * bits / 8);
        }
}

BOOST_AUTO_TEST_CASE(two_bits_take_half_the_room_of_four) {
  const std::vector<std::int8_t> weights(64 * 64, -1);
  BOOST_TEST(2 * PackedMatrix(weights, 64, 64, 2, 4).bytes() == PackedMatrix(weights, 64, 64, 4, 4).bytes());
  BOOST_TEST(PackedMatrix(weights, 64, 64, 2, 4).block(0)[0] == 0x55);
}

BOOST_AUTO_TEST_CASE(four_bits_take_half_the_room_of_eight) {
  const auto weights = random_nibbles(64 * 64, 3);
  BOOST_TEST(2 * PackedMatrix(weights, 64, 64, 4, 4).bytes() == PackedMatrix(weights, 64, 64, 8, 4).bytes());
}

BOOST_AUTO_TEST_CASE(a_matrix_of_another_shape_than_its_weights_is_refused) {
  const auto weights = random_nibbles(12, 3);
  BOOST_CHECK_THROW(PackedMatrix(weights, 5, 3, 8, 4), base::InternalError);
  BOOST_CHECK_THROW(PackedMatrix(weights, 4, 3, 5, 4), base::InternalError);
  BOOST_CHECK_THROW(PackedMatrix(weights, 0, 3, 8, 4), base::InternalError);
  BOOST_CHECK_THROW(PackedMatrix(std::vector<std::int8_t>{9}, 1, 1, 4, 4), base::UserError);
  BOOST_CHECK_THROW(PackedMatrix(std::vector<std::int8_t>{2}, 1, 1, 2, 4), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
