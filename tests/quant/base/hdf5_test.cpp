#include "quant/base/hdf5.hpp"

#include <hdf5.h>
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <span>
#include <thread>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace {
using namespace bitsmith::base;
using bitsmith::tests::message_has;
using bitsmith::tests::TemporaryFolder;
namespace fs = std::filesystem;

// A file with a bit of everything, large enough that its big array is chunked.
void fill_example(hdf5::File& file) {
  std::vector<double> big(64 * 40);
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = 0.25 * static_cast<double>(i % 97);
  file.write("results/big", big, {64, 40});
  file.write("results/episode", std::vector<std::int64_t>{1, -2, 3});
  file.write_strings("names", std::vector<std::string>{"conv1", "", "schicht_ü"});
  file.write_text("config", "a: 1\nb: 2\n");
  file.set_attribute("/", "schema_version", 3);
  file.set_attribute("results/big", "units", "ms");
  file.set_attribute("results", "scale", 0.5);
}

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
void check_round_trip(const fs::path& path, const hdf5::Extents& shape) {
  std::size_t count = 1;
  for (auto extent : shape) count *= extent;
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(i * 31 % 251);
  if (count > 1) values[1] = std::numeric_limits<T>::max(), values[0] = std::numeric_limits<T>::lowest();
  hdf5::write_file(path, [&](hdf5::File& file) { file.write("a/b", values, shape); });
  const auto file = hdf5::File::open(path);
  const auto read = file.read<T>("a/b");
  BOOST_TEST(read.extents == shape, boost::test_tools::per_element());
  BOOST_TEST((read.values == values));
  BOOST_TEST((file.type("a/b") == hdf5::element_type<T>()));
}
}  // namespace

BOOST_AUTO_TEST_SUITE(hdf5_files)

BOOST_AUTO_TEST_CASE(numbers_of_every_type_and_rank_come_back_as_they_were) {
  const TemporaryFolder folder;
  for (const hdf5::Extents& shape :
       {hdf5::Extents{}, {0}, {5}, {3, 0, 2}, {70, 33}, {5, 6, 7}, {16, 8, 5, 5}}) {
    check_round_trip<float>(folder / "x.h5", shape);
    check_round_trip<double>(folder / "x.h5", shape);
    check_round_trip<std::int32_t>(folder / "x.h5", shape);
    check_round_trip<std::int64_t>(folder / "x.h5", shape);
    check_round_trip<std::uint8_t>(folder / "x.h5", shape);
    check_round_trip<std::uint64_t>(folder / "x.h5", shape);
  }
}

BOOST_AUTO_TEST_CASE(strings_attributes_and_listings_come_back_as_they_were) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", fill_example);
  const auto file = hdf5::File::open(folder / "x.h5");
  BOOST_TEST(file.children() == (std::vector<std::string>{"results", "names", "config"}),
             boost::test_tools::per_element());
  BOOST_TEST(file.children("results") == (std::vector<std::string>{"big", "episode"}),
             boost::test_tools::per_element());
  BOOST_TEST(file.read_strings("names") == (std::vector<std::string>{"conv1", "", "schicht_ü"}),
             boost::test_tools::per_element());
  BOOST_TEST(file.read_text("config") == "a: 1\nb: 2\n");
  BOOST_TEST(file.int_attribute("/", "schema_version") == 3);
  BOOST_TEST(file.string_attribute("results/big", "units") == "ms");
  BOOST_TEST(file.double_attribute("results", "scale") == 0.5);
  BOOST_TEST(file.double_attribute("/", "schema_version") == 3.0);
  BOOST_TEST(file.attributes("results").size() == 1u);
  BOOST_TEST(file.has_attribute("/", "schema_version"));
  BOOST_TEST(!file.has_attribute("/", "nothing"));
  BOOST_TEST(file.exists("results/big"));
  BOOST_TEST(file.exists("/results"));
  BOOST_TEST(!file.exists("results/none/deeper"));
  BOOST_TEST(file.is_group("results"));
  BOOST_TEST(!file.is_group("names"));
  BOOST_TEST(!file.is_group("none"));
}

BOOST_AUTO_TEST_CASE(an_attribute_can_be_replaced_and_a_long_text_kept) {
  const TemporaryFolder folder;
  const std::string long_text(200'000, 'x');
  hdf5::write_file(folder / "x.h5", [&](hdf5::File& file) {
    file.set_attribute("/", "state", "running");
    file.set_attribute("/", "state", long_text);
  });
  BOOST_TEST((hdf5::File::open(folder / "x.h5").string_attribute("/", "state") == long_text));
}

BOOST_AUTO_TEST_CASE(equal_contents_give_equal_bytes) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "a.h5", fill_example);
  hdf5::write_file(folder / "b.h5", fill_example);
  BOOST_TEST((bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5")));
}

BOOST_AUTO_TEST_CASE(fixed_length_strings_of_other_programs_are_read) {
  const TemporaryFolder folder;
  const auto path = folder / "fixed.h5";
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, 4);
  const hsize_t count = 2;
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t dataset = H5Dcreate2(id, "s", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, "ab\0\0wxyz");
  H5Dclose(dataset), H5Sclose(space), H5Tclose(type), H5Fclose(id);
  BOOST_TEST(hdf5::File::open(path).read_strings("s") == (std::vector<std::string>{"ab", "wxyz"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(scales_are_attached_to_axes) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", [](hdf5::File& file) {
    file.write("episode", std::vector<std::int64_t>{0, 1});
    file.make_scale("episode", "episode");
    file.write("reward", std::vector<double>{0.5, 0.25});
    file.attach_scale("reward", 0, "episode");
  });
  const auto file = hdf5::File::open(folder / "x.h5");
  BOOST_TEST(file.string_attribute("episode", "CLASS") == "DIMENSION_SCALE");
  BOOST_TEST(file.string_attribute("episode", "NAME") == "episode");
  BOOST_TEST(file.has_attribute("reward", "DIMENSION_LIST"));
}

BOOST_AUTO_TEST_CASE(missing_objects_and_wrong_types_are_named) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", fill_example);
  const auto file = hdf5::File::open(folder / "x.h5");
  BOOST_CHECK_EXCEPTION(file.read<double>("none"), UserError, message_has("x.h5", "'none'", "doesn't exist"));
  BOOST_CHECK_EXCEPTION(file.read<float>("results"), UserError, message_has("x.h5", "'results'"));
  BOOST_CHECK_EXCEPTION(file.read<float>("names"), UserError, message_has("holds string, expected float32"));
  BOOST_CHECK_EXCEPTION(file.read<std::int32_t>("results/big"), UserError,
                        message_has("holds float64, expected int32"));
  BOOST_CHECK_EXCEPTION(file.read_strings("results/big"), UserError, message_has("does not hold strings"));
  BOOST_CHECK_EXCEPTION(file.read_text("names"), UserError, message_has("holds 3 strings, expected one"));
  BOOST_CHECK_EXCEPTION(file.int_attribute("/", "none"), UserError, message_has("'@none'", "missing"));
  BOOST_CHECK_EXCEPTION(file.int_attribute("results", "scale"), UserError, message_has("not an integer"));
  BOOST_CHECK_EXCEPTION(file.string_attribute("results", "scale"), UserError, message_has("not a string"));
  BOOST_CHECK_EXCEPTION(file.children("names"), UserError, message_has("'names'"));
}

BOOST_AUTO_TEST_CASE(numbers_that_do_not_fit_are_refused_not_clipped) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", [](hdf5::File& file) {
    file.write("big", std::vector<std::int64_t>{1, std::int64_t{1} << 40});
    file.write("negative", std::vector<std::int32_t>{-1});
    file.write("wide", std::vector<double>{1e300});
    file.write("fine", std::vector<double>{0.1});
  });
  const auto file = hdf5::File::open(folder / "x.h5");
  BOOST_CHECK_EXCEPTION(file.read<std::int32_t>("big"), UserError, message_has("out of the range of int32"));
  BOOST_CHECK_EXCEPTION(file.read<std::uint8_t>("negative"), UserError,
                        message_has("out of the range of uint8"));
  BOOST_CHECK_EXCEPTION(file.read<float>("wide"), UserError, message_has("out of the range of float32"));
  BOOST_TEST(file.read<float>("fine").values.at(0) == 0.1f);
  BOOST_TEST(file.read<double>("big").values.at(1) == 0x1p40);
}

BOOST_AUTO_TEST_CASE(files_that_are_not_hdf5_are_refused) {
  const TemporaryFolder folder;
  BOOST_CHECK_EXCEPTION(hdf5::File::open(folder / "none.h5"), UserError,
                        message_has("none.h5", "no such file"));
  BOOST_CHECK_EXCEPTION(hdf5::File::open(folder.path()), UserError, message_has("not a regular file"));
  for (const std::string content : {"", "hello", "\211HDF\r\n\032\n"}) {
    std::ofstream(folder / "x.h5") << content;
    BOOST_CHECK_EXCEPTION(hdf5::File::open(folder / "x.h5"), UserError,
                          message_has("x.h5", "not an HDF5 file"));
  }
}

// Behind what HDF5 calls the end of the file.
constexpr std::size_t kSealBytes = 24;

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_refused) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "good.h5", fill_example);
  const std::string good = bytes_of(folder / "good.h5");
  for (std::size_t size = 0; size < good.size() - kSealBytes; size += 37) {
    std::ofstream(folder / "bad.h5", std::ios::binary) << good.substr(0, size);
    BOOST_CHECK_EXCEPTION(hdf5::File::open(folder / "bad.h5"), UserError, message_has("bad.h5"));
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_anywhere_is_noticed) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "good.h5", fill_example);
  const std::string good = bytes_of(folder / "good.h5");
  for (std::size_t at = 0; at < good.size() - kSealBytes; at += 53) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::ofstream(folder / "bad.h5", std::ios::binary) << bad;
    BOOST_CHECK_EXCEPTION(hdf5::File::open(folder / "bad.h5"), UserError, message_has("bad.h5", "damaged"));
  }
}

BOOST_AUTO_TEST_CASE(a_new_file_that_is_not_closed_never_reaches_the_disk) {
  const TemporaryFolder folder;
  {
    auto file = hdf5::File::create(folder / "x.h5");
    file.write("a", std::vector<double>{1.0});
  }
  BOOST_TEST(!fs::exists(folder / "x.h5"));
}

BOOST_AUTO_TEST_CASE(extents_that_the_file_cannot_hold_are_refused_before_allocating) {
  const TemporaryFolder folder;
  const auto path = folder / "absurd.h5";
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const auto declare = [&](const char* name, std::vector<hsize_t> extents) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    const std::vector<hsize_t> chunk(extents.size(), 16);
    H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
    const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
    H5Dclose(H5Dcreate2(id, name, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    H5Sclose(space), H5Pclose(properties);
  };
  declare("huge", {hsize_t{1} << 31, hsize_t{1} << 31, hsize_t{1} << 31});
  declare("hollow", {1000, 1000});
  H5Fclose(id);
  const auto file = hdf5::File::open(path);
  BOOST_CHECK_EXCEPTION(file.read<float>("huge"), UserError, message_has("'huge'", "more than"));
  BOOST_CHECK_EXCEPTION(file.read<float>("hollow"), UserError,
                        message_has("1000000 elements, but it holds 0 bytes"));
  BOOST_CHECK_EXCEPTION(file.read<float>("hollow", 1000), UserError, message_has("more than 1000 bytes"));
}

BOOST_AUTO_TEST_CASE(a_failed_write_leaves_the_old_file_and_no_temporary) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", fill_example);
  const std::string before = bytes_of(folder / "x.h5");
  BOOST_CHECK_THROW(hdf5::write_file(folder / "x.h5",
                                     [](hdf5::File& file) {
                                       file.write("a", std::vector<double>(10000, 1.0));
                                       throw UserError("enough");
                                     }),
                    UserError);
  BOOST_CHECK_EXCEPTION(hdf5::write_file(folder / "x.h5",
                                         [](hdf5::File& file) {
                                           file.write("a", std::vector<double>{1.0});
                                           file.write("a", std::vector<double>{1.0});
                                         }),
                        UserError, message_has("'a'"));
  BOOST_TEST((bytes_of(folder / "x.h5") == before));
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_CASE(rows_are_read_without_the_rest) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", fill_example);
  const hdf5::File file = hdf5::File::open(folder / "x.h5");
  const auto all = file.read<double>("results/big").values;
  for (const std::uint64_t first : {0, 1, 17, 62, 64}) {
    const std::uint64_t count = std::min<std::uint64_t>(2, 64 - first);
    std::vector<double> rows(count * 40);
    file.read_rows("results/big", first, count, std::span<double>(rows));
    BOOST_TEST(std::equal(rows.begin(), rows.end(), all.begin() + static_cast<std::ptrdiff_t>(first * 40)));
  }
  std::vector<float> floats(40);
  file.read_rows("results/big", 3, 1, std::span<float>(floats));
  BOOST_TEST(floats[1] == static_cast<float>(all[3 * 40 + 1]));
  std::vector<double> rows(80);
  BOOST_CHECK_EXCEPTION(file.read_rows("results/big", 63, 2, std::span<double>(rows)), UserError,
                        message_has("x.h5", "no rows 63 to 65"));
  BOOST_CHECK_EXCEPTION(file.read_rows("config", 0, 1, std::span<double>(rows)), UserError,
                        message_has("'config'"));
  BOOST_CHECK_THROW(file.read_rows("results/big", 0, 1, std::span<double>(rows)), InternalError);
  BOOST_TEST(file.chunk_rows("results/big") == 64u);  // one chunk
  BOOST_TEST(file.chunk_rows("results/episode") == 0u);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error_and_keeps_the_old_file) {
  const TemporaryFolder folder;
  hdf5::write_file(folder / "x.h5", fill_example);
  const std::string before = bytes_of(folder / "x.h5");
  std::vector<double> noise(1 << 16);
  for (std::size_t i = 0; i < noise.size(); ++i)
    noise[i] = static_cast<double>(i * 2654435761u % 1000003u) * 1.7;
  // A limit on the size of files stands in for the full disk.
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  const rlimit small{20'000, old_limit.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  BOOST_CHECK_EXCEPTION(
      hdf5::write_file(folder / "x.h5", [&](hdf5::File& file) { file.write("noise", noise); }), UserError,
      message_has("x.h5", "cannot write: File too large"));
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  BOOST_TEST((bytes_of(folder / "x.h5") == before));
  hdf5::write_file(folder / "x.h5", fill_example);
  BOOST_TEST((bytes_of(folder / "x.h5") == before));
}

BOOST_AUTO_TEST_CASE(several_threads_may_use_files_of_their_own) {
  const TemporaryFolder folder;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto path = folder / ("t" + std::to_string(t) + ".h5");
      for (int i = 0; i < 5; ++i) hdf5::write_file(path, fill_example);
      hdf5::File::open(path).read<double>("results/big");
    });
  for (auto& thread : threads) thread.join();
  for (int t = 1; t < 4; ++t)
    BOOST_TEST((bytes_of(folder / "t0.h5") == bytes_of(folder / ("t" + std::to_string(t) + ".h5"))));
}

BOOST_AUTO_TEST_SUITE_END()
