#include "trainer/data/numpy_images.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "quant/base/error.hpp"
#include "quant/base/npy.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_files.hpp"
#include "trainer/data/data.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

using Extents = std::vector<std::uint64_t>;

template <class T>
std::string write(const std::filesystem::path& path, const std::vector<T>& values, const Extents& shape) {
  base::write_npy(path, std::span<const T>(values), shape);
  return path.string();
}

Dataset load(const std::vector<std::string>& files, const ReadOptions& options = {}) {
  return load_dataset(DataFormat::numpy, files, options);
}

template <class T>
std::vector<T> pixels_of(const Dataset& dataset) {
  std::vector<T> pixels;
  const auto append = [&](auto image) { pixels.insert(pixels.end(), image.begin(), image.end()); };
  for_each_image(dataset, append, append);
  return pixels;
}

// 2 images of 2 channels, 1 x 3: value = 100 * image + 10 * channel + column.
const std::vector<std::uint8_t> kPlanes = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112};
const std::vector<std::uint8_t> kPixels = {0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112};

void python(const std::string& script, const std::filesystem::path& path) {
  // Debian's python3-numpy belongs to /usr/bin/python3.
  const auto made = base::run_process(
      {"/usr/bin/python3", "-c", "import sys, numpy as np\n" + script, path.string()}, "", 60);
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.err);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(numpy_arrays_of_images)

BOOST_AUTO_TEST_CASE(either_layout_of_bytes_and_floats_gives_the_same_images) {
  const TemporaryFolder folder;
  const auto labels = write<std::int64_t>(folder / "l.npy", {0, 3}, {2});
  const std::vector<float> float_planes(kPlanes.begin(), kPlanes.end()),
      float_pixels(kPixels.begin(), kPixels.end());
  const auto nchw = write(folder / "a.npy", kPlanes, {2, 2, 1, 3}),
             nhwc = write(folder / "b.npy", kPixels, {2, 1, 3, 2}),
             float_nchw = write(folder / "c.npy", float_planes, {2, 2, 1, 3}),
             float_nhwc = write(folder / "d.npy", float_pixels, {2, 1, 3, 2});
  for (const std::uint64_t memory : {kImageMemory, std::uint64_t{0}}) {
    const ReadOptions planes{.memory_bytes = memory},
        pixels{.memory_bytes = memory, .layout = ArrayLayout::nhwc};
    for (const Dataset& dataset : {load({nchw, labels}, planes), load({nhwc, labels}, pixels)}) {
      BOOST_TEST((dataset.shape() == quant::Shape{2, 1, 3}));
      BOOST_TEST(dataset.classes == 4);
      BOOST_TEST(!dataset.pixels->has_floats());
      BOOST_TEST(pixels_of<std::uint8_t>(dataset) == kPixels, boost::test_tools::per_element());
    }
    for (const Dataset& dataset : {load({float_nchw, labels}, planes), load({float_nhwc, labels}, pixels)}) {
      BOOST_TEST(dataset.pixels->has_floats());
      BOOST_TEST(pixels_of<float>(dataset) == float_pixels, boost::test_tools::per_element());
    }
  }
  const Dataset gray = load({write(folder / "g.npy", kPlanes, {2, 2, 3}), labels});
  BOOST_TEST((gray.shape() == quant::Shape{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(archives_and_arrays_in_fortran_order_are_read) {
  const TemporaryFolder folder;
  python(R"(
images = np.arange(24, dtype=np.uint8).reshape(2, 2, 3, 2)
np.savez_compressed(sys.argv[1] + '/x.npz', images=images, labels=np.array([1, 0], dtype=np.uint16))
np.save(sys.argv[1] + '/f.npy', np.asfortranarray(images))
np.save(sys.argv[1] + '/l.npy', np.array([1, 0], dtype=np.int8))
)",
         folder.path());
  const std::string f = (folder / "f.npy").string(), l = (folder / "l.npy").string();
  const Dataset archive = load({(folder / "x.npz").string()}), fortran = load({f, l}, {.memory_bytes = 0});
  BOOST_TEST(archive.labels == (std::vector<int>{1, 0}), boost::test_tools::per_element());
  BOOST_TEST((archive.shape() == quant::Shape{2, 3, 2}));
  BOOST_TEST(pixels_of<std::uint8_t>(archive)[1] == 6);
  BOOST_TEST(hash(archive) == hash(fortran));
}

BOOST_AUTO_TEST_CASE(arrays_are_prepared_in_memory_or_when_wanted_to_the_same_images) {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> pixels;
  for (const char c : tests::counting_bytes(40 * 3 * 6 * 7)) pixels.push_back(static_cast<std::uint8_t>(c));
  const std::vector<float> floats(pixels.begin(), pixels.end());
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 40; ++i) labels.push_back(i % 4);
  const auto l = write(folder / "l.npy", labels, {40});
  for (const std::string& images :
       {write(folder / "i.npy", pixels, {40, 3, 6, 7}), write(folder / "f.npy", floats, {40, 3, 6, 7})}) {
    DataOptions options;
    options.format = DataFormat::numpy;
    options.train_files = {images, l};
    options.validation_images = 8;
    options.preprocessing = {ImageColor::gray, {5}, {4, 5}};
    const Data loaded(options);
    options.memory_mib = 0;
    const Data wanted(options);
    BOOST_TEST((loaded.shape() == quant::Shape{1, 4, 5}));
    BOOST_TEST(!loaded.train().is_slow());
    BOOST_TEST(wanted.train().is_slow());
    BOOST_TEST(loaded.hash() == wanted.hash());
  }
}

BOOST_AUTO_TEST_CASE(malformed_arrays_are_refused_with_path_and_reason) {
  const TemporaryFolder folder;
  const auto labels = write<std::int64_t>(folder / "l.npy", {0, 1}, {2});
  const auto refused = [&](const std::vector<std::string>& files, const char* path, const char* reason) {
    BOOST_CHECK_EXCEPTION(load(files), UserError, message_has(path, reason));
    BOOST_CHECK_EXCEPTION(load(files, {.memory_bytes = 0}), UserError, message_has(path, reason));
  };
  const auto images = [&](const auto& values, const Extents& shape) {
    return write(folder / "x.npy", values, shape);
  };
  refused({images(kPlanes, {12}), labels}, "x.npy",
          "has the shape (12), expected N x H x W or N x C x H x W");
  refused({images(kPlanes, {3, 2, 1, 2}), labels}, "x.npy", "holds 3 images, but");
  refused({images(std::vector<std::uint8_t>{}, {0, 1, 2, 3}), labels}, "x.npy", "holds no images");
  refused({images(std::vector<std::uint8_t>{}, {2, 1, 0, 3}), labels}, "x.npy", "no images of this size");
  refused({images(std::vector<double>(12), {2, 2, 1, 3}), labels}, "x.npy",
          "holds float64, expected uint8 or float32");
  refused({images(std::vector<std::int32_t>(12), {2, 2, 1, 3}), labels}, "x.npy", "holds int32");
  std::vector<float> nan(12);
  nan[7] = std::numeric_limits<float>::quiet_NaN();
  refused({images(nan, {2, 2, 1, 3}), labels}, "x.npy", "image 1 has a pixel that is nan");
  const auto good = write(folder / "good.npy", kPlanes, {2, 2, 1, 3});
  refused({good, write<float>(folder / "y.npy", {0, 1}, {2})}, "y.npy", "expected integers");
  refused({good, write<std::int32_t>(folder / "y.npy", {0, -1}, {2})}, "y.npy", "item 1 is -1");
  refused({good, write<std::int32_t>(folder / "y.npy", {0, 1}, {2, 1})}, "y.npy",
          "labels have one dimension");
  refused({good, write<std::int32_t>(folder / "y.npy", {1, 1}, {2})}, "good.npy", "at least two classes");
  refused({good, write<std::int32_t>(folder / "y.npy", {0, 2'000'000}, {2})}, "good.npy", "label 2000000");
  refused({good}, "numpy", "two .npy files");
  refused({good, (folder / "none.npy").string()}, "none.npy", "");
  std::filesystem::resize_file(folder / "good.npy", std::filesystem::file_size(folder / "good.npy") - 1);
  refused({good, labels}, "good.npy", "but 11 bytes follow");
  refused({tests::write_bytes(folder / "text.npy", "text"), labels}, "text.npy", "not a .npy array");
  refused({tests::write_bytes(folder / "text.npz", "text")}, "text.npz", "cannot read as .npz archive");
  python("np.savez(sys.argv[1], x=np.zeros(3), y=np.zeros(3))", folder / "other.npz");
  refused({(folder / "other.npz").string()}, "other.npz", "has no array 'images'; it holds: x, y");
}

BOOST_AUTO_TEST_CASE(headers_that_promise_more_than_the_file_has_are_refused) {
  const TemporaryFolder folder;
  std::string bytes = base::npy_bytes(std::span<const std::uint8_t>(kPlanes), {2, 2, 1, 3});
  const std::size_t at = bytes.find("(2, 2, 1, 3)");
  const auto labels = write<std::int64_t>(folder / "l.npy", {0, 1}, {2});
  for (const std::string extents : {"(9999999999,1,3)", "(2, 65536,65536)", "(4294967296,4294967296,4)"}) {
    std::string bad = bytes;
    const std::size_t length = bytes.find('\n') - at;
    bad.replace(at, length, extents + ", }" + std::string(length - extents.size() - 3, ' '));
    const auto path = tests::write_bytes(folder / "x.npy", bad);
    BOOST_CHECK_EXCEPTION(load({path, labels}), UserError, message_has("x.npy", "but 12 bytes follow"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
