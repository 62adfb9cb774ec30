#include "trainer/data/loader.hpp"

#include <stdlib.h>
#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <limits>
#include <set>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_files.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

Dataset load(DataFormat format, const std::vector<std::string>& files) {
  return load_dataset(format, files, {});
}

// 2 images of 2 channels, 1 x 3: value = 100 * image + 10 * channel + column.
const std::vector<std::uint8_t> kPlanes = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112};
const std::vector<std::uint8_t> kPixels = {0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112};

std::vector<std::uint8_t> bytes_of(const Dataset& dataset) {
  std::vector<std::uint8_t> pixels;
  for_each_image(
      dataset,
      [&](std::span<const std::uint8_t> image) { pixels.insert(pixels.end(), image.begin(), image.end()); },
      [](std::span<const float>) { BOOST_ERROR("floats"); });
  return pixels;
}

std::vector<float> floats_of(const Dataset& dataset) {
  std::vector<float> pixels;
  for_each_image(
      dataset, [](std::span<const std::uint8_t>) { BOOST_ERROR("bytes"); },
      [&](std::span<const float> image) { pixels.insert(pixels.end(), image.begin(), image.end()); });
  return pixels;
}

void write_hdf5(const std::filesystem::path& path, const std::function<void(base::hdf5::File&)>& fill) {
  base::hdf5::write_file(path, fill);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(data_loaders_read)

BOOST_AUTO_TEST_CASE(every_format_has_one_row_and_refuses_missing_files) {
  std::set<DataFormat> seen;
  for (const DataLoader& row : data_loaders()) {
    BOOST_TEST(seen.insert(row.format).second);
    BOOST_TEST(&data_loader(row.format) == &row);
    const std::vector<std::string> missing(
        row.format == DataFormat::idx || row.format == DataFormat::numpy ? 2 : 1, "/nowhere/none");
    BOOST_CHECK_EXCEPTION(load(row.format, missing), UserError, message_has("/nowhere/none"));
    if (row.format != DataFormat::fashion_mnist) BOOST_CHECK_THROW(load(row.format, {}), UserError);
  }
  BOOST_TEST(seen.size() == 6u);
}

BOOST_AUTO_TEST_CASE(idx_images_come_as_they_are_stored) {
  const TemporaryFolder folder;
  const tests::IdxPair pair(folder.path(), 6);
  const Dataset dataset = load(DataFormat::idx, pair.files());
  BOOST_TEST((dataset.shape() == quant::Shape{1, 4, 5}));
  BOOST_TEST(dataset.classes == 4);
  BOOST_TEST(dataset.images() == 6);
  BOOST_TEST(bytes_of(dataset)[119] == 119);
  BOOST_TEST(dataset.labels == (std::vector<int>{0, 1, 2, 3, 0, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(idx_images_with_channels_get_them_innermost) {
  const TemporaryFolder folder;
  const auto images = tests::write_bytes(
      folder / "i", tests::idx_bytes({2, 2, 1, 3}, std::string(kPlanes.begin(), kPlanes.end())));
  const auto labels = tests::write_bytes(folder / "l", tests::idx_bytes({2}, tests::cycling_labels(2, 2)));
  const Dataset dataset = load(DataFormat::idx, {images, labels});
  BOOST_TEST((dataset.shape() == quant::Shape{2, 1, 3}));
  BOOST_TEST(bytes_of(dataset) == kPixels, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(gzipped_idx_files_read_like_plain_ones_and_truncated_ones_are_refused) {
  const TemporaryFolder folder;
  const tests::IdxPair pair(folder.path(), 60);
  const auto zipped = (folder / "images.gz").string();
  const std::string bytes = tests::idx_bytes({60, 4, 5}, tests::counting_bytes(1200));
  gzFile file = gzopen(zipped.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  BOOST_TEST(hash(load(DataFormat::idx, {zipped, pair.labels})) == hash(load(DataFormat::idx, pair.files())));
  std::filesystem::resize_file(zipped, std::filesystem::file_size(zipped) / 2);
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {zipped, pair.labels}), UserError,
                        message_has("images.gz", "truncated gzip"));
}

BOOST_AUTO_TEST_CASE(malformed_idx_files_are_refused_with_path_and_reason) {
  const TemporaryFolder folder;
  const tests::IdxPair good(folder.path(), 6);
  struct Row {
    std::string bytes, reason;
  };
  const std::string data = tests::counting_bytes(120);
  const Row images[] = {
      {"", "is empty"},
      {"abc", "not an IDX file"},
      {"PK\3\4....", "not an IDX file"},
      {tests::idx_bytes({6, 4, 5}, data, 0x0d), "0x0d"},
      {std::string("\0\0\x08\x03\0\0", 6), "truncated in its header"},
      {tests::idx_bytes({6, 4, 5}, data.substr(1)), "truncated"},
      {tests::idx_bytes({6, 4, 5}, data + "x"), "wrong size"},
      {tests::idx_bytes({4294967295u, 4294967295u, 4294967295u}, data), "truncated"},
      {tests::idx_bytes({6, 4294967295u, 0}, ""), "holds 6 labels"},
      {tests::idx_bytes({6, 20}, data), "N x H x W"},
      {tests::idx_bytes({6, 1, 1, 4, 5}, data), "N x H x W"},
      {tests::idx_bytes({5, 4, 6}, data), "holds 5 images"},
      {tests::idx_bytes({0, 4, 5}, ""), "holds 0 images"},
      {tests::idx_bytes({6, 4, 0}, ""), "holds no images"},
      {tests::idx_bytes({}, ""), ""},
  };
  for (const Row& row : images) {
    const auto bad = tests::write_bytes(folder / "bad-images", row.bytes);
    if (row.reason == "holds 6 labels")
      BOOST_CHECK_THROW(load(DataFormat::idx, {bad, good.labels}), UserError);
    else
      BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {bad, good.labels}), UserError,
                            message_has("bad-images", row.reason));
  }
  const auto no_labels = tests::write_bytes(folder / "bad-labels", tests::idx_bytes({6, 1}, "012345"));
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {good.images, no_labels}), UserError,
                        message_has("bad-labels", "labels are 1-dimensional"));
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {good.labels, good.images}), UserError,
                        message_has("name the images first"));
  const auto zeros = tests::write_bytes(folder / "zeros", tests::idx_bytes({6}, std::string(6, '\0')));
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {good.images, zeros}), UserError,
                        message_has("at least two classes"));
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {good.images}), UserError, message_has("two files", "got 1"));
  BOOST_CHECK_EXCEPTION(load(DataFormat::idx, {folder.path().string(), good.labels}), UserError,
                        message_has("is a directory"));
}

BOOST_AUTO_TEST_CASE(test_labels_must_be_among_the_training_classes) {
  const TemporaryFolder folder;
  const tests::IdxPair pair(folder.path(), 6, 5);
  BOOST_CHECK_EXCEPTION(load_dataset(DataFormat::idx, pair.files(), {.role = DataRole::test, .classes = 4}),
                        UserError, message_has("image 4 has label 4, allowed are 0..3"));
  BOOST_TEST(load_dataset(DataFormat::idx, pair.files(), {.role = DataRole::test, .classes = 9}).classes ==
             9);
}

BOOST_AUTO_TEST_CASE(cifar_records_become_pixels_with_channels_innermost) {
  const TemporaryFolder folder;
  std::string record(1, '\7');
  record += std::string(1024, '\1') + std::string(1024, '\2') + std::string(1024, '\3');
  const auto one = tests::write_bytes(folder / "one", record),
             two = tests::write_bytes(folder / "two", record + record);
  const Dataset dataset = load(DataFormat::cifar10, {one, two});
  BOOST_TEST((dataset.shape() == quant::Shape{3, 32, 32}));
  BOOST_TEST(dataset.classes == 10);
  BOOST_TEST(dataset.images() == 3);
  BOOST_TEST(dataset.labels[2] == 7);
  const auto pixels = bytes_of(dataset);
  for (std::size_t i = 0; i < pixels.size(); ++i) BOOST_REQUIRE(pixels[i] == i % 3 + 1);
}

BOOST_AUTO_TEST_CASE(malformed_cifar_batches_are_refused_with_path_and_reason) {
  const TemporaryFolder folder;
  const auto short_one = tests::write_bytes(folder / "short", std::string(3072, '\0'));
  BOOST_CHECK_EXCEPTION(load(DataFormat::cifar10, {short_one}), UserError,
                        message_has("short", "3072", "3073"));
  const auto empty = tests::write_bytes(folder / "empty", "");
  BOOST_CHECK_EXCEPTION(load(DataFormat::cifar10, {empty}), UserError, message_has("empty"));
  const auto eleventh = tests::write_bytes(folder / "label", std::string(3073, '\12'));
  BOOST_CHECK_EXCEPTION(load(DataFormat::cifar10, {eleventh}), UserError,
                        message_has("label", "record 0 has label 10", "0..9"));
}

BOOST_AUTO_TEST_CASE(hdf5_images_of_bytes_and_floats_get_channels_innermost) {
  const TemporaryFolder folder;
  write_hdf5(folder / "bytes.h5", [](auto& file) {
    file.write("images", kPlanes, {2, 2, 1, 3});
    file.write("labels", std::vector<std::int64_t>{0, 4});
  });
  const Dataset bytes = load(DataFormat::hdf5, {(folder / "bytes.h5").string()});
  BOOST_TEST((bytes.shape() == quant::Shape{2, 1, 3}));
  BOOST_TEST(bytes.classes == 5);
  BOOST_TEST(bytes_of(bytes) == kPixels, boost::test_tools::per_element());
  write_hdf5(folder / "floats.h5", [](auto& file) {
    file.write("images", std::vector<float>(kPlanes.begin(), kPlanes.end()), {2, 2, 1, 3});
    file.write("labels", std::vector<std::uint8_t>{1, 0});
  });
  const Dataset floats = load(DataFormat::hdf5, {(folder / "floats.h5").string()});
  BOOST_TEST(floats_of(floats) == std::vector<float>(kPixels.begin(), kPixels.end()),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(malformed_hdf5_images_are_refused_with_path_and_reason) {
  const TemporaryFolder folder;
  const auto path = folder / "x.h5";
  using base::hdf5::Extents;
  const auto refused = [&](const std::string& reason, const std::function<void(base::hdf5::File&)>& fill) {
    write_hdf5(path, fill);
    BOOST_CHECK_EXCEPTION(load(DataFormat::hdf5, {path.string()}), UserError, message_has("x.h5", reason));
  };
  const std::vector<std::int64_t> labels{0, 1};
  refused("no dataset 'images'", [&](auto& file) { file.write("pictures", kPlanes); });
  refused("no dataset 'labels'", [&](auto& file) { file.write("images", kPlanes, {2, 2, 1, 3}); });
  const auto with_images = [&](const auto& values, const Extents& extents) {
    return [&labels, values, extents](auto& file) {
      file.write("images", values, extents);
      file.write("labels", labels);
    };
  };
  refused("N x C x H x W", with_images(kPlanes, Extents{2, 2, 3}));
  refused("3 images, but 2 labels", with_images(kPlanes, Extents{3, 2, 1, 2}));
  refused("no images of this size", with_images(std::vector<std::uint8_t>{}, Extents{2, 1, 0, 3}));
  refused("holds float64", with_images(std::vector<double>(12), Extents{2, 2, 1, 3}));
  auto floats = std::vector<float>(12);
  floats[7] = std::numeric_limits<float>::quiet_NaN();
  refused("image 1 has a pixel that is nan", with_images(floats, Extents{2, 2, 1, 3}));
  floats[7] = std::numeric_limits<float>::infinity();
  refused("image 1 has a pixel that is inf", with_images(floats, Extents{2, 2, 1, 3}));
  const auto with_labels = [&](const auto& values) {
    return [values](auto& file) {
      file.write("images", kPlanes, {2, 2, 1, 3});
      file.write("labels", values);
    };
  };
  refused("image 1 has label -1", with_labels(std::vector<std::int64_t>{0, -1}));
  refused("label 2000000", with_labels(std::vector<std::int64_t>{0, 2'000'000}));
  refused("out of the range", with_labels(std::vector<std::int64_t>{0, std::int64_t{1} << 40}));
  refused("'labels'", with_labels(std::vector<float>{0, 1}));
  tests::write_bytes(path, "not hdf5");
  BOOST_CHECK_EXCEPTION(load(DataFormat::hdf5, {path.string()}), UserError, message_has("not an HDF5 file"));
}

BOOST_AUTO_TEST_CASE(fashion_mnist_is_looked_for_where_the_environment_says) {
  const TemporaryFolder folder;
  setenv("FASHION_MNIST_DIR", folder.path().c_str(), 1);
  BOOST_CHECK_EXCEPTION(
      load(DataFormat::fashion_mnist, {}), UserError,
      message_has("apt-get install dataset-fashion-mnist", "FASHION_MNIST_DIR", folder.path().string()));
  tests::write_bytes(folder / "train-images-idx3-ubyte",
                     tests::idx_bytes({3, 4, 5}, tests::counting_bytes(60)));
  tests::write_bytes(folder / "train-labels-idx1-ubyte", tests::idx_bytes({3}, tests::cycling_labels(3, 3)));
  const Dataset dataset = load(DataFormat::fashion_mnist, {});
  unsetenv("FASHION_MNIST_DIR");
  BOOST_TEST(dataset.images() == 3);
  BOOST_TEST(dataset.classes == 10);
  BOOST_CHECK_EXCEPTION(load(DataFormat::fashion_mnist, {"mine.gz"}), UserError,
                        message_has("mine.gz", "format idx"));
}

BOOST_AUTO_TEST_SUITE_END()
