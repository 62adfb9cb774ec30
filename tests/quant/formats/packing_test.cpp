#include <bit>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/bit_stream.hpp"
#include "quant/formats/encoding.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

void check_same(const Encoded& a, const Encoded& b) {
  BOOST_TEST((a.codes == b.codes), a.format.name());
  BOOST_TEST((a.scales == b.scales), a.format.name());
  BOOST_TEST((a.scale_shape == b.scale_shape), a.format.name());
  BOOST_TEST((a.zero_points == b.zero_points), a.format.name());
  BOOST_TEST((a.codebook == b.codebook), a.format.name());
  BOOST_TEST((a.block_scales == b.block_scales), a.format.name());
  BOOST_TEST((a.block_scale_shape == b.block_scale_shape), a.format.name());
  BOOST_TEST((a.pair_shifts == b.pair_shifts), a.format.name());
}

void check_round_trip(const Encoded& encoded) {
  const auto bytes = pack(encoded);
  Encoded like;
  like.format = encoded.format;
  like.shape = encoded.shape;
  like.options = encoded.options;
  const Encoded back = unpack(bytes, like);
  check_same(encoded, back);
  BOOST_TEST((decode(back) == decode(encoded)), encoded.format.name());
  BOOST_TEST(effective_bits(encoded) ==
             8.0 * static_cast<double>(bytes.size()) / static_cast<double>(encoded.codes.size()));
}

// The bytes of codes alone, which come first.
std::vector<std::uint8_t> code_bytes(std::string_view format, const std::vector<std::int32_t>& codes) {
  Encoded encoded = encode_flat(std::vector<float>(codes.size(), 1.0f), named(format));
  encoded.codes = codes;
  auto bytes = pack(encoded);
  bytes.resize((codes.size() * static_cast<std::size_t>(named(format).element_bits()) + 7) / 8);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(format_packing)

BOOST_AUTO_TEST_CASE(every_format_comes_back_from_its_bytes_at_any_size) {
  for (Format format : all_formats())
    for (std::size_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 129})
      check_round_trip(encode_flat(sample(n, n, Shape::outliers), format));
}

BOOST_AUTO_TEST_CASE(slices_and_options_come_back_too) {
  const std::vector<std::int64_t> shape = {3, 5, 7};
  const auto x = sample(105, 5);
  for (Format format : all_formats()) {
    EncodingOptions options;
    if (format.row().block == 0) options.slicing = {Grain::group, 1, 2};
    if (format.row().block > 0) options.axis = 0;
    if (format.row().block > 0) options.block = 4;
    options.scale_bits = 6;
    check_round_trip(encode(x, shape, format, options));
  }
  for (const char* name : {"int2", "int5", "int8", "int9", "int16"}) {
    EncodingOptions options;
    options.scheme = Scheme::affine;
    check_round_trip(encode(x, shape, named(name), options));
  }
}

BOOST_AUTO_TEST_CASE(tables_bits_are_those_of_large_tensors_without_the_scales_of_slices) {
  const std::size_t n = 16 * 32 * 64 * 5;
  const auto x = sample(n, 3);
  for (Format format : all_formats()) {
    const Encoded encoded = encode_flat(x, format);
    // The fp32 scales of nf4 are its blocks', and counted.
    const std::size_t numbers =
        encoded.codebook.size() + (format.row().kind == FormatKind::normal_float ? 0 : encoded.scales.size());
    const std::size_t zero_bytes = encoded.zero_points.empty() ? 0 : format.element_bits() > 8 ? 2 : 1;
    const double slice_bits = 8 * static_cast<double>(4 * numbers + zero_bytes) / static_cast<double>(n);
    BOOST_TEST(effective_bits(encoded) - slice_bits == format.effective_bits(),
               boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(codes_fill_bytes_from_the_lowest_bit) {
  using Bytes = std::vector<std::uint8_t>;
  const auto per_element = boost::test_tools::per_element();
  BOOST_TEST(code_bytes("int4", {1, -1, 5}) == (Bytes{0xF1, 0x05}), per_element);
  BOOST_TEST(code_bytes("uint4", {1, 15, 5}) == (Bytes{0xF1, 0x05}), per_element);
  BOOST_TEST(code_bytes("int2", {1, 0, -1, 1}) == (Bytes{0b01'11'00'01}), per_element);
  BOOST_TEST(code_bytes("int3", {-1, 0, 1, 2}) == (Bytes{0b01'000'111, 0b0000'010'0}), per_element);
  BOOST_TEST(code_bytes("int8", {-1, 127}) == (Bytes{0xFF, 0x7F}), per_element);
  BOOST_TEST(code_bytes("int16", {0x1234, -2}) == (Bytes{0x34, 0x12, 0xFE, 0xFF}), per_element);
  BOOST_TEST(code_bytes("fp6_e2m3", {0x01, 0x3F, 0x00, 0x20}) == (Bytes{0xC1, 0x0F, 0x80}), per_element);
  BOOST_TEST(code_bytes("mxfp4", {2, 9}) == (Bytes{0x92}), per_element);
  BOOST_TEST(code_bytes("nvfp4", {2, 9}) == (Bytes{0x92}), per_element);
  BOOST_TEST(code_bytes("binary", {1, -1, -1, 1, 1, 1, 1, 1, -1}) == (Bytes{0xF9, 0x00}), per_element);
}

BOOST_AUTO_TEST_CASE(the_first_code_of_nf4_lies_in_the_high_nibble) {
  BOOST_TEST(code_bytes("nf4", {2, 9, 7}) == (std::vector<std::uint8_t>{0x29, 0x70}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(five_ternary_codes_are_a_byte_of_base_three) {
  Encoded encoded = encode_flat({1, 1, 1, 1, 1, 1}, named("ternary"));
  encoded.codes = {1, 0, -1, 0, 1, 1};
  const auto bytes = pack(encoded);
  BOOST_TEST(bytes.size() == 2u + 4u);
  BOOST_TEST(bytes[0] == 2 + 3 * 1 + 9 * 0 + 27 * 1 + 81 * 2);
  BOOST_TEST(bytes[1] == 2);
}

BOOST_AUTO_TEST_CASE(scales_follow_the_codes) {
  const auto int4 = pack(encode_flat({7, -1, 0}, named("int4")));
  BOOST_TEST(int4 == (std::vector<std::uint8_t>{0xF7, 0x00, 0x00, 0x00, 0x80, 0x3F}),  // scale 1
             boost::test_tools::per_element());
  EncodingOptions options;
  const auto uint8 = pack(encode_flat({-1, 254}, named("uint8"), options));
  BOOST_TEST(
      uint8 == (std::vector<std::uint8_t>{0, 255, 0x00, 0x00, 0x80, 0x3F, 1}),  // scale 1, zero point 1
      boost::test_tools::per_element());
  const auto mxfp4 = pack(encode_flat({4, -6, 0}, named("mxfp4")));
  BOOST_TEST(mxfp4 == (std::vector<std::uint8_t>{0xF6, 0x00, 127}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_an_encoding_are_refused) {
  const Encoded int4 = encode_flat({7, -1, 0}, named("int4"));
  auto bytes = pack(int4);
  bytes.push_back(0);
  BOOST_CHECK_THROW(unpack(bytes, int4), base::InternalError);
  bytes.resize(3);
  BOOST_CHECK_THROW(unpack(bytes, int4), base::InternalError);

  auto spare = pack(int4);
  spare[1] = 0x30;
  BOOST_CHECK_THROW(unpack(spare, int4), base::UserError);
  const Encoded nf4 = encode_flat({7, -1, 0}, named("nf4"));
  spare = pack(nf4);
  spare[1] |= 1;
  BOOST_CHECK_THROW(unpack(spare, nf4), base::UserError);
  const Encoded ternary = encode_flat({7, -1, 0}, named("ternary"));
  spare = pack(ternary);
  for (int byte : {243, 255, 27}) {
    spare[0] = static_cast<std::uint8_t>(byte);
    BOOST_CHECK_THROW(unpack(spare, ternary), base::UserError);
  }
}

BOOST_AUTO_TEST_CASE(any_bytes_decode_or_are_refused) {
  base::Rng rng(31);
  for (Format format : all_formats()) {
    const Encoded like = encode_flat(sample(37, 1), format);
    auto bytes = pack(like);
    for (int round = 0; round < 50; ++round) {
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
      try {
        const Encoded encoded = unpack(bytes, like);
        BOOST_TEST(decode(encoded).size() == 37u);
        BOOST_TEST((pack(encoded) == bytes), format.name());
      } catch (const base::UserError&) {
        // Spare bits.
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(fields_of_all_widths_come_back_from_a_stream) {
  base::Rng rng(17);
  std::vector<std::uint8_t> bytes;
  BitWriter writer(bytes);
  std::vector<std::uint32_t> fields;
  for (int round = 0; round < 3; ++round)
    for (int bits = 1; bits <= 32; ++bits) {
      fields.push_back(static_cast<std::uint32_t>(rng.next() & ((std::uint64_t{1} << bits) - 1)));
      writer.write(fields.back(), bits);
    }
  writer.finish();
  BitReader reader(bytes);
  std::size_t at = 0;
  for (int round = 0; round < 3; ++round)
    for (int bits = 1; bits <= 32; ++bits) BOOST_TEST(reader.read(bits) == fields[at++]);
  reader.finish();
  BOOST_TEST(reader.at_end());
  BOOST_CHECK_THROW(reader.read(1), base::UserError);
  BOOST_TEST(signed_field(0xF, 4) == -1);
  BOOST_TEST(signed_field(0x8, 4) == -8);
  BOOST_TEST(signed_field(0x7, 4) == 7);
  BOOST_TEST(signed_field(0xFFFFFFFFu, 32) == -1);
}

BOOST_AUTO_TEST_SUITE_END()
