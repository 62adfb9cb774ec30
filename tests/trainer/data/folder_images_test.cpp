#include "trainer/data/folder_images.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_folders.hpp"
#include "trainer/data/data.hpp"

namespace {
namespace fs = std::filesystem;
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::tests;
using base::UserError;

Dataset load(const std::vector<std::string>& folders, const ReadOptions& options = {}) {
  return load_dataset(DataFormat::folder, folders, options);
}

std::vector<int> first_pixels(const Dataset& dataset) {
  std::vector<int> pixels;
  for_each_image(
      dataset, [&](std::span<const std::uint8_t> image) { pixels.push_back(image[0]); },
      [](std::span<const float>) { BOOST_ERROR("floats"); });
  return pixels;
}

DataOptions options_of(const std::string& train, const std::string& test, int memory_mib) {
  DataOptions options;
  options.format = DataFormat::folder;
  options.train_files = {train};
  options.test_files = {test};
  options.validation_images = 6;
  options.memory_mib = memory_mib;
  options.preprocessing = {.color = ImageColor::rgb, .resize = {6}, .crop = {5}};
  return options;
}

std::string message_of(const std::vector<std::string>& folders, const ReadOptions& options = {}) {
  try {
    load(folders, options);
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}
}  // namespace

BOOST_AUTO_TEST_SUITE(folders_of_images)

BOOST_AUTO_TEST_CASE(classes_are_sorted_and_the_first_image_of_each_comes_first) {
  const TemporaryFolder folder;
  write_image(folder / "b" / "2.png", 1);
  write_image(folder / "b" / "10.png", 2);
  write_image(folder / "a" / "x.PNG", 3);
  write_image(folder / "c" / "y", 4);
  write_image(folder / "c" / ".hidden", 5);
  write_bytes(folder / "notes.txt", "beside the classes");
  fs::create_directory(folder / ".cache");
  const Dataset dataset = load({folder.path().string()});
  BOOST_TEST(dataset.class_names == (std::vector<std::string>{"a", "b", "c"}),
             boost::test_tools::per_element());
  BOOST_TEST(dataset.classes == 3);
  BOOST_TEST((dataset.shape() == quant::Shape{1, 4, 5}));
  BOOST_TEST(dataset.labels == (std::vector<int>{0, 1, 2, 1}), boost::test_tools::per_element());
  BOOST_TEST(first_pixels(dataset) == (std::vector<int>{93, 62, 124, 31}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(several_folders_are_one_with_the_classes_of_all) {
  const TemporaryFolder folder;
  write_image(folder / "1" / "a" / "x.png", 1);
  write_image(folder / "1" / "b" / "x.png", 2);
  write_image(folder / "2" / "b" / "x.png", 3);
  write_image(folder / "2" / "c" / "x.png", 4);
  const Dataset dataset = load({(folder / "1").string(), (folder / "2").string()});
  BOOST_TEST(dataset.classes == 3);
  BOOST_TEST(dataset.labels == (std::vector<int>{0, 1, 2, 1}), boost::test_tools::per_element());
  BOOST_TEST(first_pixels(dataset) == (std::vector<int>{31, 62, 124, 93}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(images_decoded_when_wanted_are_those_that_were_loaded) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "train", {"cat", "dog", "owl"}, 9),
             test = write_class_folders(folder / "test", {"dog", "owl"}, 4, 50);
  const Data loaded(options_of(train, test, 1024)), decoded(options_of(train, test, 0));
  BOOST_TEST(!loaded.train().is_slow());
  BOOST_TEST(decoded.train().is_slow());
  BOOST_TEST(loaded.hash() == decoded.hash());
  BOOST_TEST((loaded.shape() == quant::Shape{3, 5, 5}));
  const DataPart tests[] = {loaded.load_test(), decoded.load_test()};
  BOOST_TEST(tests[0].hash() == tests[1].hash());
  BOOST_TEST(tests[0].labels() == (std::vector<int>{1, 2, 1, 2, 1, 2, 1, 2}),
             boost::test_tools::per_element());
  Tensor a, b;
  std::vector<int> a_labels, b_labels;
  TrainingSource left(loaded.train(), {2, true}, 7, 3), right(decoded.train(), {2, true}, 7, 3);
  for (int step = 0; step < 5; ++step) {
    left.fill(step, a, a_labels);
    base::set_thread_count(1 + step % 3);
    right.fill(step, b, b_labels);
    BOOST_TEST(a_labels == b_labels, boost::test_tools::per_element());
    BOOST_REQUIRE(std::equal(a.data(), a.data() + a.elements(), b.data(), b.data() + b.elements()));
  }
  base::set_thread_count(0);
}

BOOST_AUTO_TEST_CASE(preprocessing_is_part_of_the_hash) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "train", {"cat", "dog"}, 9);
  DataOptions options = options_of(train, train, 16);
  const std::uint64_t before = Data(options).hash();
  options.preprocessing.resize = {7};
  BOOST_TEST(Data(options).hash() != before);
}

BOOST_AUTO_TEST_CASE(images_of_other_sizes_are_refused_until_preprocessing_makes_them_equal) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "t", {"a", "b"}, 3);
  write_bytes(folder / "t" / "a" / "wide.png", png_bytes(4, 9, 8, kPngGray, std::string(36, 'x')));
  const std::string said = message_of({train});
  BOOST_TEST(said.find("wide.png: is 1 x 4 x 9 (channels, height, width), most others 1 x 4 x 5: give "
                       "data.resize or data.crop") != std::string::npos,
             said);
  BOOST_TEST(message_of({train}, {.preprocessing = {.resize = {8}}}).find("after preprocessing") !=
             std::string::npos);
  BOOST_TEST(message_of({train}, {.preprocessing = {.resize = {3, 3}}}) == "");
  BOOST_TEST(message_of({train}, {.preprocessing = {.crop = {4}}}) == "");
  write_bytes(folder / "t" / "b" / "colours.png", png_bytes(4, 5, 8, kPngColours, std::string(60, 'x')));
  BOOST_TEST(message_of({train}, {.preprocessing = {.crop = {4}}}).find("colours.png: is 3 x 4 x 4") !=
             std::string::npos);
  const Dataset gray = load({train}, {.preprocessing = {.color = ImageColor::gray, .crop = {4}}});
  BOOST_TEST((gray.shape() == quant::Shape{1, 4, 4}));
  BOOST_TEST(gray.images() == 8);
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_used_are_refused_all_at_once_and_ten_are_named) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "t", {"a", "b"}, 2);
  const fs::path a = folder / "t" / "a";
  write_bytes(a / "empty.png", "");
  write_bytes(a / "notes.txt", "not an image");
  write_bytes(a / "cut.png", png_bytes(4, 5, 8, kPngGray, std::string(20, 'x')).substr(0, 50));
  write_bytes(a / "huge.png", png_bytes(900'000, 900'000, 8, kPngGray, "a"));
  write_bytes(a / "line\nbreak\xff.jpg", "x");
  fs::create_symlink(a / "loop.png", a / "loop.png");
  fs::create_symlink(a / "nowhere", a / "dangling.png");
  BOOST_REQUIRE(mkfifo((a / "pipe.png").c_str(), 0600) == 0);
  const std::string said = message_of({train});
  for (const char* part : {"8 of 12 images cannot be used\n", "empty.png: is empty",
                           "notes.txt: is neither PNG nor JPEG", "cut.png: is a damaged PNG",
                           "huge.png: has 900000 x 900000 pixels", "line\\x0abreak\\xff.jpg: is neither",
                           "loop.png: cannot be read", "dangling.png: ", "pipe.png: is not a regular file"})
    BOOST_TEST(said.find(part) != std::string::npos, part << " is not in " << said);
  for (int i = 0; i < 5; ++i) write_bytes(a / ("more" + std::to_string(i)), "x");
  const std::string more = message_of({train});
  BOOST_TEST(std::ranges::count(more, '\n') == 11);
  BOOST_TEST(more.ends_with("\n  and 3 more"));
  const std::string unread = message_of({train}, {.memory_bytes = 0});
  BOOST_TEST(unread == more);
}

BOOST_AUTO_TEST_CASE(one_damaged_file_is_told_in_one_line) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "t", {"a", "b"}, 2);
  const auto bad = write_bytes(folder / "t" / "b" / "bad.png", "x");
  BOOST_TEST(message_of({train}) == bad + ": is neither PNG nor JPEG");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_damaged_later_is_an_error_with_its_name) {
  const TemporaryFolder folder;
  const auto train = write_class_folders(folder / "t", {"a", "b"}, 2);
  const Dataset dataset = load({train}, {.memory_bytes = 0});
  const auto bad = write_bytes(folder / "t" / "b" / "001.png", "x");
  ImageScratch scratch;
  dataset.pixels->bytes(0, scratch);
  BOOST_CHECK_EXCEPTION(dataset.pixels->bytes(3, scratch), UserError,
                        message_has(bad.c_str(), "is neither PNG nor JPEG"));
}

BOOST_AUTO_TEST_CASE(folders_that_are_no_classes_are_refused) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& name, const std::string& part) {
    const std::string said = message_of({(folder / name).string()});
    BOOST_TEST(said.find(part) != std::string::npos, part << " is not in " << said);
    BOOST_TEST(said.find(name) != std::string::npos);
  };
  refused("none", "cannot read the folder: No such file");
  write_image(folder / "flat" / "x.png", 1);
  refused("flat", "has no folders in it; expected one per class");
  write_class_folders(folder / "one", {"only"}, 2);
  refused("one", "one class folder, 'only', but at least two");
  write_class_folders(folder / "hollow", {"a", "b"}, 1);
  fs::create_directory(folder / "hollow" / "c");
  refused("hollow", "class folders without images: c");
  write_class_folders(folder / "deep", {"a", "b"}, 1);
  fs::create_directory_symlink(folder / "deep", folder / "deep" / "a" / "loop");
  refused("deep", "loop: a folder in the folder of a class");
  const auto file = write_image(folder / "file.png", 1);
  refused("file.png", "cannot read the folder");
  BOOST_CHECK_EXCEPTION(load({}), UserError, message_has("at least one folder"));
}

BOOST_AUTO_TEST_CASE(test_folders_may_lack_classes_but_have_no_others) {
  const TemporaryFolder folder;
  const auto test = write_class_folders(folder / "test", {"doog"}, 1);
  const ReadOptions options{.role = DataRole::test, .classes = 3, .class_names = {"cat", "dog", "owl"}};
  BOOST_TEST(message_of({test}, options) == test +
                                                "/doog: class folder 'doog' is not among the 3 classes of "
                                                "the training images, did you mean 'dog'?");
  fs::rename(folder / "test" / "doog", folder / "test" / "owl");
  const Dataset dataset = load({test}, options);
  BOOST_TEST(dataset.labels == (std::vector<int>{2}), boost::test_tools::per_element());
  BOOST_TEST(dataset.classes == 3);
}

BOOST_AUTO_TEST_CASE(thousands_of_classes_are_read) {
  const TemporaryFolder folder;
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) names.push_back("n" + std::to_string(10'000 + i));
  const Dataset dataset = load({write_class_folders(folder / "many", names, 1)});
  BOOST_TEST(dataset.classes == 2000);
  BOOST_TEST(dataset.labels.back() == 1999);
}

BOOST_AUTO_TEST_SUITE_END()
