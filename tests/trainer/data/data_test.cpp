#include "trainer/data/data.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_files.hpp"
#include "trainer/data/split.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

DataOptions idx_options(const tests::IdxPair& train, int validation_images) {
  DataOptions options;
  options.format = DataFormat::idx;
  options.train_files = train.files();
  options.validation_images = validation_images;
  return options;
}

std::vector<float> image_of(const DataPart& part, std::int64_t index, int dy = 0, int dx = 0,
                            bool mirror = false) {
  std::vector<float> image(static_cast<std::size_t>(part.shape().elements()));
  part.write(index, dy, dx, mirror, image.data());
  return image;
}

// One 2 x 2 image of two channels: pixel (y, x) is {10y + x, 100 + 10y + x}; not normalised.
DataPart tiny_part(int pad) {
  const std::vector<float> pixels{0, 100, 1, 101, 10, 110, 11, 111};
  return DataPart(make_dataset(images_in_memory({2, 2, 2}, pixels), {1}, 2, "made up"),
                  {{0.0, 0.0}, {1.0, 1.0}}, pad);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(splitting)

BOOST_AUTO_TEST_CASE(a_split_has_every_class_in_its_share_and_no_image_twice) {
  std::vector<int> labels;
  for (int i = 0; i < 600; ++i) labels.push_back(i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2);  // 300, 200, 100
  const Split split = split_by_class(labels, 3, 0, 60, 7);
  std::vector<int> count(3);
  for (int index : split.validation)
    ++count[static_cast<std::size_t>(labels[static_cast<std::size_t>(index)])];
  BOOST_TEST(count == (std::vector<int>{30, 20, 10}), boost::test_tools::per_element());
  std::set<int> all(split.validation.begin(), split.validation.end());
  all.insert(split.train.begin(), split.train.end());
  BOOST_TEST(all.size() == 600u);
  BOOST_TEST(split.train.size() == 540u);
}

BOOST_AUTO_TEST_CASE(a_split_depends_on_its_seed_alone) {
  std::vector<int> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 10);
  const Split a = split_by_class(labels, 10, 0, 20, 1), again = split_by_class(labels, 10, 0, 20, 1);
  BOOST_TEST(a.validation == again.validation, boost::test_tools::per_element());
  BOOST_TEST((a.validation != split_by_class(labels, 10, 0, 20, 2).validation));
  const Split fewer = split_by_class(labels, 10, 30, 20, 1);
  BOOST_TEST(fewer.validation == a.validation, boost::test_tools::per_element());
  BOOST_TEST(fewer.train.size() == 30u);
}

BOOST_AUTO_TEST_CASE(a_split_of_uneven_numbers_still_has_the_size_asked_for) {
  const std::vector<int> labels{0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2};
  for (int wanted = 1; wanted < 11; ++wanted) {
    const Split split = split_by_class(labels, 4, 0, wanted, 3);  // class 3 has no images
    BOOST_TEST(split.validation.size() == static_cast<std::size_t>(wanted));
    BOOST_TEST(split.train.size() == static_cast<std::size_t>(11 - wanted));
  }
}

BOOST_AUTO_TEST_CASE(splits_larger_than_the_files_are_refused) {
  const std::vector<int> labels{0, 1, 0, 1};
  BOOST_CHECK_EXCEPTION(split_by_class(labels, 2, 0, 4, 1), UserError,
                        message_has("validation_images: 4", "4 images"));
  BOOST_CHECK_EXCEPTION(split_by_class(labels, 2, 3, 2, 1), UserError, message_has("train_images: 3"));
  BOOST_CHECK_THROW(split_by_class(labels, 2, 0, 0, 1), UserError);
  BOOST_CHECK_THROW(split_by_class(labels, 2, -1, 1, 1), UserError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(preparing_images)

BOOST_AUTO_TEST_CASE(normalisation_is_measured_on_the_training_part_only) {
  const TemporaryFolder folder;
  const Data data(idx_options(tests::IdxPair(folder.path(), 40), 20));
  double sum = 0.0, squares = 0.0;
  const double count = static_cast<double>(data.train().images() * data.shape().elements());
  for (std::int64_t i = 0; i < data.train().images(); ++i)
    for (float x : image_of(data.train(), i)) sum += x, squares += static_cast<double>(x) * x;
  constexpr double kFloatRounding = 1e-6;
  BOOST_TEST(std::abs(sum / count) < kFloatRounding);
  BOOST_TEST(std::abs(squares / count - 1.0) < kFloatRounding);
  BOOST_TEST(data.validation().normalization().mean[0] == data.train().normalization().mean[0]);
}

BOOST_AUTO_TEST_CASE(normalisation_can_be_given) {
  const TemporaryFolder folder;
  DataOptions options = idx_options(tests::IdxPair(folder.path(), 40), 20);
  options.mean = {0.5};
  options.deviation = {0.25};
  options.pad = 1;
  const Data data(options);
  BOOST_TEST((data.shape() == quant::Shape{1, 6, 7}));
  const auto image = image_of(data.train(), 0);
  BOOST_TEST(image[0] == -2.0f);  // black: (0 - 0.5) / 0.25
  options.mean = {0.5, 0.5};
  BOOST_CHECK_EXCEPTION(Data{options}, UserError, message_has("mean: [0.5, 0.5]", "expected 1"));
  options.mean = {0.5};
  options.deviation = {0.0};
  BOOST_CHECK_EXCEPTION(Data{options}, UserError, message_has("deviation: [0]", "positive"));
  options.deviation = {0.25};
  options.pad = -1;
  BOOST_CHECK_EXCEPTION(Data{options}, UserError, message_has("pad: -1"));
}

BOOST_AUTO_TEST_CASE(a_channel_that_never_varies_keeps_its_scale) {
  const std::vector<std::uint8_t> pixels(4, 51);
  const Dataset dataset = make_dataset(images_in_memory({1, 1, 2}, pixels), {0, 1}, 2, "made up");
  const Normalization normalization = make_normalization(dataset, {}, {});
  BOOST_TEST(normalization.mean[0] == 0.2, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(normalization.deviation[0] == 1.0);
}

BOOST_AUTO_TEST_CASE(padding_shifting_and_mirroring_put_pixels_where_they_belong) {
  const DataPart plain = tiny_part(0);
  using Image = std::vector<float>;
  const auto per_element = boost::test_tools::per_element();
  BOOST_TEST(image_of(plain, 0) == (Image{0, 100, 1, 101, 10, 110, 11, 111}), per_element);
  BOOST_TEST(image_of(plain, 0, 0, 0, true) == (Image{1, 101, 0, 100, 11, 111, 10, 110}), per_element);
  BOOST_TEST(image_of(plain, 0, 1, 0) == (Image{0, 0, 0, 0, 0, 100, 1, 101}), per_element);
  BOOST_TEST(image_of(plain, 0, 0, -1) == (Image{1, 101, 0, 0, 11, 111, 0, 0}), per_element);
  BOOST_TEST(image_of(plain, 0, 0, -1, true) == (Image{0, 0, 1, 101, 0, 0, 11, 111}), per_element);
  BOOST_TEST(image_of(plain, 0, 0, 5) == Image(8, 0.0f), per_element);
  BOOST_TEST(image_of(plain, 0, -5, 0, true) == Image(8, 0.0f), per_element);
  const DataPart padded = tiny_part(1);
  Image expected(32, 0.0f);
  expected[10] = 0, expected[11] = 100, expected[12] = 1, expected[13] = 101;
  expected[18] = 10, expected[19] = 110, expected[20] = 11, expected[21] = 111;
  BOOST_TEST(image_of(padded, 0) == expected, per_element);
}

BOOST_AUTO_TEST_CASE(bytes_and_floats_of_the_same_pixels_agree) {
  std::vector<std::uint8_t> as_bytes;
  std::vector<float> as_floats;
  for (int i = 0; i < 24; ++i) {
    as_bytes.push_back(static_cast<std::uint8_t>(10 * i));
    as_floats.push_back(static_cast<float>(10 * i) / 255.0f);
  }
  const Dataset bytes = make_dataset(images_in_memory({3, 2, 2}, as_bytes), {0, 1}, 2, "made up");
  const Dataset floats = make_dataset(images_in_memory({3, 2, 2}, as_floats), {0, 1}, 2, "made up");
  const Normalization normalization{{0.1, 0.2, 0.3}, {0.5, 0.25, 2.0}};
  const auto a = image_of(DataPart(bytes, normalization, 1), 1, 1, 0, true);
  const auto b = image_of(DataPart(floats, normalization, 1), 1, 1, 0, true);
  constexpr float kFloatRounding = 1e-6f;  // values are below 4
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(std::abs(a[i] - b[i]) < kFloatRounding);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(data_of_a_run)

BOOST_AUTO_TEST_CASE(the_test_files_are_not_touched_before_they_are_asked_for) {
  const TemporaryFolder folder;
  DataOptions options = idx_options(tests::IdxPair(folder.path(), 40), 20);
  for (const char* name : {"test-images", "test-labels"}) std::ofstream(folder / name) << "no IDX at all";
  options.test_files = {(folder / "test-images").string(), (folder / "test-labels").string()};
  const Data data(options);
  BOOST_TEST(data.train().images() == 20);
  BOOST_CHECK_EXCEPTION(data.load_test(), UserError, message_has("test-images"));
  options.test_files[1] = "/nowhere/test-labels";
  BOOST_CHECK_EXCEPTION(Data{options}, UserError, message_has("/nowhere/test-labels", "data.test_files"));
}

BOOST_AUTO_TEST_CASE(the_test_part_is_prepared_like_the_training_part) {
  const TemporaryFolder folder;
  DataOptions options = idx_options(tests::IdxPair(folder.path(), 40), 20);
  options.test_files = tests::IdxPair(folder.path(), 12, 4, "test").files();
  options.pad = 2;
  const DataPart test = Data(options).load_test();
  BOOST_TEST(test.images() == 12);
  BOOST_TEST((test.shape() == quant::Shape{1, 8, 9}));
  BOOST_TEST(test.normalization().mean[0] == Data(options).train().normalization().mean[0]);
  options.test_images = 8;
  const DataPart fewer = Data(options).load_test();
  BOOST_TEST(fewer.images() == 8);
  for (int c = 0; c < 4; ++c) BOOST_TEST(std::count(fewer.labels().begin(), fewer.labels().end(), c) == 2);
  options.test_images = 13;
  BOOST_CHECK_EXCEPTION(Data(options).load_test(), UserError, message_has("test_images: 13", "has 12"));
}

BOOST_AUTO_TEST_CASE(test_files_of_another_shape_or_with_new_classes_are_refused) {
  const TemporaryFolder folder;
  DataOptions options = idx_options(tests::IdxPair(folder.path(), 40), 20);
  options.test_files = tests::IdxPair(folder.path(), 12, 5, "test").files();
  BOOST_CHECK_EXCEPTION(Data(options).load_test(), UserError, message_has("test-images", "label 4", "0..3"));
  const auto images =
      tests::write_bytes(folder / "wide", tests::idx_bytes({4, 4, 6}, tests::counting_bytes(96)));
  const auto labels =
      tests::write_bytes(folder / "wide-labels", tests::idx_bytes({4}, tests::cycling_labels(4, 4)));
  options.test_files = {images, labels};
  BOOST_CHECK_EXCEPTION(Data(options).load_test(), UserError, message_has("wide", "1 x 4 x 6", "1 x 4 x 5"));
}

BOOST_AUTO_TEST_CASE(the_hash_sees_every_image_label_and_preparation) {
  const TemporaryFolder folder;
  const tests::IdxPair pair(folder.path(), 40);
  const DataOptions options = idx_options(pair, 20);
  const auto original = Data(options).hash();
  BOOST_TEST(Data(options).hash() == original);
  DataOptions other = options;
  other.split_seed = 2;
  BOOST_TEST(Data(other).hash() != original);
  other = options;
  other.pad = 1;
  BOOST_TEST(Data(other).hash() != original);
  other = options;
  other.train_images = 10;
  BOOST_TEST(Data(other).hash() != original);
  std::string labels = tests::cycling_labels(40, 4);
  labels[39] = 0;
  tests::write_bytes(pair.labels, tests::idx_bytes({40}, labels));
  BOOST_TEST(Data(options).hash() != original);
}

BOOST_AUTO_TEST_CASE(fashion_mnist_of_debian_has_the_published_size_and_mean) {
  DataOptions options;  // format fashion_mnist
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    BOOST_TEST_MESSAGE("dataset-fashion-mnist is not installed");
    return;
  }
  const Data data(options);
  BOOST_TEST(data.train().images() == 55000);
  BOOST_TEST(data.validation().images() == 5000);
  for (int c = 0; c < 10; ++c)
    BOOST_TEST(std::count(data.validation().labels().begin(), data.validation().labels().end(), c) == 500);
  // 0.2860 and 0.3530 are widely published for all 60,000 training images.
  BOOST_TEST(data.train().normalization().mean[0] == 0.2860, boost::test_tools::tolerance(0.005));
  BOOST_TEST(data.train().normalization().deviation[0] == 0.3530, boost::test_tools::tolerance(0.005));
  BOOST_TEST(data.load_test().images() == 10000);
}

BOOST_AUTO_TEST_SUITE_END()
