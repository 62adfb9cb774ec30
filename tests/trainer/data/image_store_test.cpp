#include "trainer/data/image_store.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_files.hpp"
#include "trainer/data/data.hpp"
#include "trainer/data/loader.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

constexpr std::uint32_t kImages = 700;

/// Memory of this process, in KiB: of the line `key` of /proc/self/status.
long memory_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stol(line.substr(key.size() + 1));
  return 0;
}

std::vector<std::string> planes_in_idx(const TemporaryFolder& folder) {
  return {tests::write_bytes(folder / "i",
                             tests::idx_bytes({kImages, 3, 4, 5}, tests::counting_bytes(kImages * 60))),
          tests::write_bytes(folder / "l", tests::idx_bytes({kImages}, tests::cycling_labels(kImages, 4)))};
}

template <class T>
std::vector<std::string> planes_in_hdf5(const TemporaryFolder& folder) {
  const std::string counting = tests::counting_bytes(kImages * 60);
  std::vector<T> values;
  for (const char c : counting) values.push_back(static_cast<T>(static_cast<unsigned char>(c)));
  std::vector<std::int64_t> labels;
  for (std::uint32_t i = 0; i < kImages; ++i) labels.push_back(i % 4);
  base::hdf5::write_file(folder / "x.h5", [&](base::hdf5::File& file) {
    file.write("images", values, {kImages, 3, 4, 5});
    file.write("labels", labels);
  });
  return {(folder / "x.h5").string()};
}

bool same_images(const DataPart& a, const DataPart& b) {
  std::vector<float> left(static_cast<std::size_t>(a.shape().elements())), right(left.size());
  for (std::int64_t i = 0; i < a.images(); ++i) {
    const std::int64_t index = i * 37 % a.images();  // not in order
    a.write(index, 1, 0, true, left.data());
    b.write(index, 1, 0, true, right.data());
    if (left != right) return false;
  }
  return a.images() == b.images() && a.labels() == b.labels();
}

DataOptions options_of(DataFormat format, std::vector<std::string> files, int memory_mib) {
  DataOptions options;
  options.format = format;
  options.train_files = std::move(files);
  options.validation_images = 100;
  options.memory_mib = memory_mib;
  return options;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(images_that_stay_in_their_files)

BOOST_AUTO_TEST_CASE(are_the_same_data_as_loaded_ones) {
  const auto check = [](DataFormat format, const std::vector<std::string>& files) {
    const Data loaded(options_of(format, files, 1024)), stored(options_of(format, files, 0));
    BOOST_TEST(loaded.hash() == stored.hash());
    BOOST_TEST(loaded.train().normalization().mean == stored.train().normalization().mean,
               boost::test_tools::per_element());
    BOOST_TEST(same_images(loaded.train(), stored.train()));
    BOOST_TEST(same_images(loaded.validation(), stored.validation()));
  };
  const TemporaryFolder folder;
  check(DataFormat::idx, planes_in_idx(folder));
  check(DataFormat::hdf5, planes_in_hdf5<std::uint8_t>(folder));
  check(DataFormat::hdf5, planes_in_hdf5<float>(folder));
}

BOOST_AUTO_TEST_CASE(can_be_read_by_threads_at_once) {
  const TemporaryFolder folder;
  const auto files = planes_in_hdf5<std::uint8_t>(folder);
  const Data loaded(options_of(DataFormat::hdf5, files, 1024)),
      stored(options_of(DataFormat::hdf5, files, 0));
  std::vector<char> same(3);
  std::vector<std::thread> threads;
  for (char& result : same)
    threads.emplace_back([&] { result = same_images(loaded.train(), stored.train()) ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(same == std::vector<char>(3, 1), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(take_no_memory_however_many_they_are) {
  const TemporaryFolder folder;
  constexpr std::uint32_t kMany = 150'000;  // 118 MB of zeros, a hole in the file
  const auto images = tests::write_bytes(folder / "i", tests::idx_bytes({kMany, 28, 28}, ""));
  std::filesystem::resize_file(images, 16 + std::uintmax_t{kMany} * 28 * 28);
  const auto labels =
      tests::write_bytes(folder / "l", tests::idx_bytes({kMany}, tests::cycling_labels(kMany, 10)));
  [[maybe_unused]] const long before = memory_kib("VmRSS");
  const Data data(options_of(DataFormat::idx, {images, labels}, 1));
  BOOST_TEST(data.train().images() == kMany - 100);
  std::vector<float> image(28 * 28);
  for (std::int64_t i = 0; i < data.train().images(); i += 101)
    data.train().write(i, 0, 0, false, image.data());
#if !defined(__SANITIZE_ADDRESS__)  // which keeps memory of its own for everything
  BOOST_TEST(memory_kib("VmRSS") - before < 20'000);
#endif
}

BOOST_AUTO_TEST_CASE(that_are_cut_short_meanwhile_are_an_error_and_no_crash) {
  const TemporaryFolder folder;
  const auto files = planes_in_idx(folder);
  const Data data(options_of(DataFormat::idx, files, 0));
  std::filesystem::resize_file(files[0], 5000);
  std::vector<float> image(60);
  data.train().write(0, 0, 0, false, image.data());
  BOOST_CHECK_EXCEPTION(data.train().write(data.train().images() - 1, 0, 0, false, image.data()), UserError,
                        message_has(files[0].c_str(), "truncated"));
}

BOOST_AUTO_TEST_CASE(are_checked_like_loaded_ones) {
  const TemporaryFolder folder;
  auto files = planes_in_idx(folder);
  std::filesystem::resize_file(files[0], 30'000);
  const auto load = [&](DataFormat format) { return load_dataset(format, files, {.memory_bytes = 0}); };
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx), UserError, message_has(files[0].c_str(), "truncated"));
  files[0] = (folder / "none").string();
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx), UserError, message_has("none"));
  files = planes_in_hdf5<float>(folder);
  std::vector<float> values(kImages * 60);
  values[65] = std::numeric_limits<float>::infinity();
  base::hdf5::write_file(folder / "x.h5", [&](base::hdf5::File& file) {
    file.write("images", values, {kImages, 3, 4, 5});
    file.write("labels", std::vector<std::int64_t>(kImages));
  });
  BOOST_CHECK_EXCEPTION(load(DataFormat::hdf5), UserError, message_has("image 1 has a pixel that is inf"));
}

BOOST_AUTO_TEST_SUITE_END()
