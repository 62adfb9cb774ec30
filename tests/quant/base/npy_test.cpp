#include "quant/base/npy.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/random.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/quant/base/write_npz.hpp"

namespace {
using namespace bitsmith::base;
using bitsmith::tests::message_has;
using bitsmith::tests::TemporaryFolder;
using bitsmith::tests::write_npz;
using Shape = std::vector<std::uint64_t>;

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0' + static_cast<char>(header.size() & 0xff) +
                      static_cast<char>(header.size() >> 8);
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

std::string header_of(const std::string& descr, const std::string& shape, bool fortran = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", descr,
                     fortran ? "True" : "False", shape);
}

template <class T>
void check_type(const std::string& descr) {
  const std::vector<T> values{T(1), T(100), std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest()};
  const NpyArray array = parse_npy(npy(header_of(descr, "(2, 2)"), raw(values)), "x.npy");
  BOOST_TEST(array.shape == (Shape{2, 2}), boost::test_tools::per_element());
  if constexpr (std::is_floating_point_v<T>) {
    BOOST_TEST(array.doubles()[2] == static_cast<double>(values[2]));
    BOOST_TEST(array.doubles()[3] == static_cast<double>(values[3]));
  } else if constexpr (sizeof(T) < 8 || std::is_signed_v<T>) {
    BOOST_TEST(array.integers()[2] == static_cast<std::int64_t>(values[2]));
    BOOST_TEST(array.integers()[3] == static_cast<std::int64_t>(values[3]));
  }
}
}  // namespace

BOOST_AUTO_TEST_SUITE(npy_files)

BOOST_AUTO_TEST_CASE(every_supported_type_is_read) {
  check_type<float>("<f4");
  check_type<double>("<f8");
  check_type<std::int8_t>("|i1");
  check_type<std::int16_t>("<i2");
  check_type<std::int32_t>("<i4");
  check_type<std::int64_t>("<i8");
  check_type<std::uint8_t>("|u1");
  check_type<std::uint16_t>("<u2");
  check_type<std::uint32_t>("<u4");
  check_type<std::uint64_t>("<u8");
}

BOOST_AUTO_TEST_CASE(versions_and_shapes_of_numpy_are_read) {
  const std::string six = raw(std::vector<float>{0, 1, 2, 3, 4, 5});
  for (char version : {1, 2, 3})
    BOOST_TEST(parse_npy(npy(header_of("<f4", "(2, 3)"), six, version), "x").floats()[5] == 5.0f);
  BOOST_TEST(parse_npy(npy(header_of("<f4", "()"), six.substr(0, 4)), "x").shape.empty());
  BOOST_TEST(parse_npy(npy(header_of("<f4", "(6,)"), six), "x").count() == 6u);
  BOOST_TEST(parse_npy(npy(header_of("<f4", "(6L,)"), six), "x").count() == 6u);
  BOOST_TEST(parse_npy(npy(header_of("<f4", "(0, 18446744073709551615)"), ""), "x").count() == 0u);
}

BOOST_AUTO_TEST_CASE(fortran_order_is_turned_into_c_order) {
  // a[i][j][k] = 100 i + 10 j + k for 2 x 3 x 2, first index fastest.
  std::vector<std::int32_t> fortran;
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) fortran.push_back(100 * i + 10 * j + k);
  const auto values = parse_npy(npy(header_of("<i4", "(2, 3, 2)", true), raw(fortran)), "x").integers();
  BOOST_TEST(values == (std::vector<std::int64_t>{0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const TemporaryFolder folder;
  const std::vector<float> values{1.5f, -2.0f, std::numeric_limits<float>::quiet_NaN(), 4.0f};
  write_npy<float>(folder / "x.npy", values, {2, 2});
  const NpyArray array = read_npy(folder / "x.npy");
  BOOST_TEST(array.shape == (Shape{2, 2}), boost::test_tools::per_element());
  BOOST_TEST(array.floats()[1] == -2.0f);
  BOOST_TEST(std::isnan(array.floats()[2]));
  BOOST_TEST((std::filesystem::file_size(folder / "x.npy") - 16) % 64 ==
             0u);  // NumPy aligns the data to 64 bytes
  write_npy<std::uint8_t>(folder / "x.npy", std::vector<std::uint8_t>{7}, {1});
  BOOST_TEST(read_npy(folder / "x.npy").integers()[0] == 7);
  write_npy<double>(folder / "x.npy", std::vector<double>{7.5}, {});
  BOOST_TEST(read_npy(folder / "x.npy").doubles()[0] == 7.5);
}

BOOST_AUTO_TEST_CASE(numbers_that_do_not_fit_are_refused) {
  const auto array = [](const char* descr, const std::string& data) {
    return parse_npy(npy(header_of(descr, "(1,)"), data), "x.npy");
  };
  BOOST_CHECK_EXCEPTION(array("<f8", raw(std::vector<double>{1e300})).floats(), UserError,
                        message_has("x.npy", "item 0", "32-bit float"));
  BOOST_CHECK_EXCEPTION(array("<i4", raw(std::vector<int>{(1 << 24) + 1})).floats(), UserError,
                        message_has("16777217"));
  BOOST_CHECK_EXCEPTION(array("<u8", raw(std::vector<std::uint64_t>{~0ull})).integers(), UserError,
                        message_has("64-bit integer"));
  BOOST_CHECK_EXCEPTION(array("<f4", raw(std::vector<float>{1})).integers(), UserError,
                        message_has("expected integers"));
  BOOST_TEST(std::isinf(array("<f8", raw(std::vector<double>{INFINITY})).floats()[0]));
}

BOOST_AUTO_TEST_CASE(malformed_files_are_refused_with_their_name_and_reason) {
  const std::string data = raw(std::vector<float>{0, 1, 2, 3, 4, 5});
  struct Row {
    std::string bytes, reason;
  };
  const Row rows[] = {
      {"", "not a .npy"},
      {"PK\3\4", "not a .npy"},
      {"\x93NUMPY", "truncated"},
      {npy("", data, 9), "version 9"},
      {std::string("\x93NUMPY\1\0\xff\xff", 10) + data, "truncated"},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12) + data, "truncated"},
      {npy(header_of(">f4", "(6,)"), data), "'>f4'"},
      {npy(header_of("<f2", "(12,)"), data), "'<f2'"},
      {npy(header_of("|b1", "(24,)"), data), "'|b1'"},
      {npy(header_of("|O", "(6,)"), data), "'|O'"},
      {npy(header_of("<U6", "(1,)"), data), "'<U6'"},
      {npy(header_of("<i3", "(8,)"), data), "'<i3'"},
      {npy(header_of("<f4", "(7,)"), data), "7 items of 4 bytes, but 24 bytes follow"},
      {npy(header_of("<f4", "(5,)"), data), "24 bytes follow"},
      {npy(header_of("<f4", "(4294967296, 4294967296, 4294967296)"), data), "24 bytes follow"},
      {npy(header_of("<f4", "(4611686018427387910,)"), data), "24 bytes follow"},  // 4 x it overflows to 24
      {npy(header_of("<f4", "(-6,)"), data), "cannot be understood"},
      {npy(header_of("<f4", "(99999999999999999999999,)"), data), "cannot be understood"},
      {npy(header_of("<f4", "(6"), data), "cannot be understood"},
      {npy(header_of("<f4", "6"), data), "cannot be understood"},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", data), "records"},
      {npy("{'descr': '<f4', 'shape': (6,)}", data), "lacks"},
      {npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", data),
       "repeated key 'descr'"},
      {npy("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (6,)}", data), "cannot be understood"},
      {npy("{'descr': '<f4, 'fortran_order': False, 'shape': (6,)}", data), "cannot be understood"},
      {npy("import os", data), "cannot be understood"},
  };
  for (const Row& row : rows)
    BOOST_CHECK_EXCEPTION(parse_npy(row.bytes, "bad.npy"), UserError, message_has("bad.npy", row.reason));
}

BOOST_AUTO_TEST_CASE(random_damage_gives_an_array_or_an_error) {
  const std::string good = npy(header_of("<f4", "(2, 3)", true), raw(std::vector<float>{0, 1, 2, 3, 4, 5}));
  Rng rng(1);
  constexpr int kTrials = 20'000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::string bad = good.substr(0, good.size() - (trial % 4 == 0 ? rng.below(good.size()) : 0));
    for (std::uint64_t flips = rng.below(4); flips > 0 && !bad.empty(); --flips)
      bad[rng.below(bad.size())] = static_cast<char>(rng.below(256));
    try {
      const NpyArray array = parse_npy(bad, "bad");
      BOOST_REQUIRE(array.data.size() <= bad.size());
    } catch (const UserError&) {
    }
  }
}

BOOST_AUTO_TEST_CASE(a_header_is_read_without_what_follows) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  write_npy<float>(folder / "x.npy", values, {2, 3});
  const NpyFile header = read_npy_header(folder / "x.npy");
  BOOST_TEST(header.type_name() == "float32");
  BOOST_TEST(header.shape == (std::vector<std::uint64_t>{2, 3}), boost::test_tools::per_element());
  BOOST_TEST(!header.fortran_order);
  BOOST_TEST(header.offset + 24 == std::filesystem::file_size(folder / "x.npy"));
  std::filesystem::resize_file(folder / "x.npy", header.offset + 23);
  BOOST_CHECK_EXCEPTION(read_npy_header(folder / "x.npy"), UserError,
                        message_has("x.npy", "but 23 bytes follow"));
  std::filesystem::resize_file(folder / "x.npy", 50);
  BOOST_CHECK_EXCEPTION(read_npy_header(folder / "x.npy"), UserError,
                        message_has("x.npy", "truncated in its header"));
  BOOST_CHECK_THROW(read_npy_header(folder / "none.npy"), UserError);
  // Larger than what is ever loaded, and mostly a hole.
  const std::uint64_t bytes = kMaxNpyBytes + 1;
  const std::string large = npy(header_of("|u1", "(" + std::to_string(bytes) + ",)"), "");
  std::ofstream(folder / "large.npy", std::ios::binary) << large;
  std::filesystem::resize_file(folder / "large.npy", large.size() + bytes);
  BOOST_TEST(read_npy_header(folder / "large.npy").shape[0] == bytes);
}

BOOST_AUTO_TEST_CASE(an_npz_archive_gives_its_arrays_by_name_stored_or_deflated) {
  const TemporaryFolder folder;
  const std::vector<float> weight{1, 2, 3, 4};
  const std::vector<double> bias(1000, 0.5);
  for (const bool deflated : {false, true}) {
    write_npz(folder / "w.npz",
              {{"conv1.weight.npy", npy_bytes<float>(weight, {2, 2})},
               {"conv1.bias.npy", npy_bytes<double>(bias, {1000})}},
              deflated);
    const auto arrays = read_npz(folder / "w.npz");
    BOOST_TEST(arrays.size() == 2u);
    BOOST_TEST(arrays.at("conv1.weight").floats()[3] == 4.0f);
    BOOST_TEST(arrays.at("conv1.bias").floats()[999] == 0.5f);
  }
}

BOOST_AUTO_TEST_CASE(malformed_archives_are_refused_with_their_name_and_reason) {
  const TemporaryFolder folder;
  const auto path = folder / "w.npz";
  BOOST_CHECK_EXCEPTION(read_npz(path), UserError, message_has("w.npz", "No such file"));
  BOOST_CHECK_EXCEPTION(read_npz(folder.path()), UserError, message_has("is a directory"));
  std::ofstream(path) << "this is not an archive";
  BOOST_CHECK_EXCEPTION(read_npz(path), UserError, message_has("w.npz", "zip archive"));
  write_npz(path, {{"readme.txt", "hello"}}, false);
  BOOST_CHECK_EXCEPTION(read_npz(path), UserError, message_has("readme.txt", "not a .npy array"));
  write_npz(path, {{"a.npy", "hello"}}, false);
  BOOST_CHECK_EXCEPTION(read_npz(path), UserError, message_has("w.npz: a.npy", "not a .npy array"));
  const std::string zeros = npy_bytes<double>(std::vector<double>(100'000), {100'000});
  write_npz(path, {{"a.npy", zeros}}, true);
  BOOST_CHECK_EXCEPTION(read_npz(path, 1000), UserError, message_has("a.npy", "too many bytes"));
}

BOOST_AUTO_TEST_CASE(a_damaged_archive_gives_its_arrays_or_an_error) {
  const TemporaryFolder folder;
  const auto path = folder / "w.npz";
  std::vector<float> weight(200);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i * 7919 % 211);
  write_npz(path, {{"a.npy", npy_bytes<float>(weight, {200})}, {"b.npy", npy_bytes<float>(weight, {10, 20})}},
            true);
  const std::string good = read_file(path);
  for (std::size_t size = 0; size < good.size(); size += 29) {
    std::ofstream(path, std::ios::binary) << good.substr(0, size);
    BOOST_CHECK_THROW(read_npz(path), UserError);
  }
  for (std::size_t at = 0; at < good.size(); at += 3) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x21);
    std::ofstream(path, std::ios::binary) << bad;
    try {
      for (const auto& [name, array] : read_npz(path))
        BOOST_TEST((array.floats() == weight));  // the CRC sees to it
    } catch (const UserError&) {
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
