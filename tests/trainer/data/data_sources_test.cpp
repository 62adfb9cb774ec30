#include "trainer/data/data_sources.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <set>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;

DataPart float_part(quant::Shape shape, std::vector<float> pixels, std::vector<int> labels, int classes) {
  return DataPart(
      make_dataset(images_in_memory(shape, std::move(pixels)), std::move(labels), classes, "made up"),
      {{0.0}, {1.0}}, 0);
}

// `count` images of 3 x 4 whose every pixel is the image's number plus one, not normalised; label = number
// % 5.
DataPart numbered_part(int count) {
  std::vector<int> labels;
  std::vector<float> pixels;
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % 5);
    pixels.insert(pixels.end(), 12, static_cast<float>(i + 1));
  }
  return float_part({1, 3, 4}, std::move(pixels), std::move(labels), 5);
}

// Which image a sample shows; shifted ones have black pixels, but never only those.
int number_of(const float* sample, std::int64_t elements) {
  return static_cast<int>(*std::max_element(sample, sample + elements)) - 1;
}

struct Batch {
  Tensor images;
  std::vector<int> labels;
};

Batch batch_of(BatchSource& source, std::int64_t step) {
  Batch batch;
  source.fill(step, batch.images, batch.labels);
  return batch;
}

bool same(const Batch& a, const Batch& b) {
  return a.labels == b.labels && a.images.elements() == b.images.elements() &&
         std::memcmp(a.images.data(), b.images.data(),
                     static_cast<std::size_t>(a.images.elements()) * sizeof(float)) == 0;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(data_sources)

BOOST_AUTO_TEST_CASE(an_epoch_shows_each_image_once_with_its_label) {
  const DataPart part = numbered_part(24);
  TrainingSource source(part, {}, 8, 1);
  BOOST_TEST(source.batches_per_epoch() == 3);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<int> seen;
    for (std::int64_t b = 0; b < 3; ++b) {
      const Batch batch = batch_of(source, epoch * 3 + b);
      BOOST_TEST(batch.images.batch() == 8);
      for (int n = 0; n < 8; ++n) {
        const int number = number_of(batch.images.sample(n), 12);
        seen.insert(number);
        BOOST_TEST(batch.labels[static_cast<std::size_t>(n)] == number % 5);
      }
    }
    BOOST_TEST(seen.size() == 24u);
  }
}

BOOST_AUTO_TEST_CASE(training_batches_are_full_and_leave_out_the_rest) {
  const DataPart part = numbered_part(25);
  TrainingSource source(part, {}, 8, 1);
  BOOST_TEST(source.batches_per_epoch() == 3);
  BOOST_TEST(batch_of(source, 2).images.batch() == 8);
  TrainingSource whole(part, {}, 100, 1);
  BOOST_TEST(whole.batches_per_epoch() == 1);
  BOOST_TEST(batch_of(whole, 5).images.batch() == 25);
}

BOOST_AUTO_TEST_CASE(any_step_can_be_made_without_those_before_it) {
  const DataPart part = numbered_part(40);
  TrainingSource straight(part, {1, true}, 8, 3);
  for (std::int64_t step = 0; step < 17; ++step) {
    const Batch batch = batch_of(straight, step);
    TrainingSource fresh(part, {1, true}, 8, 3);
    BOOST_TEST(same(batch, batch_of(fresh, step)));
  }
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_differ_in_order) {
  const DataPart part = numbered_part(40);
  TrainingSource a(part, {}, 40, 1), b(part, {}, 40, 2);
  BOOST_TEST(!same(batch_of(a, 0), batch_of(a, 1)));
  BOOST_TEST(!same(batch_of(a, 0), batch_of(b, 0)));
}

BOOST_AUTO_TEST_CASE(flipping_mirrors_about_half_of_the_images_anew_in_each_epoch) {
  std::vector<int> labels;
  std::vector<float> pixels;
  constexpr int kImages = 2000;
  for (int i = 0; i < kImages; ++i) {
    labels.push_back(i % 2);
    pixels.push_back(0.0f), pixels.push_back(static_cast<float>(i + 1));
  }
  const DataPart part = float_part({1, 1, 2}, std::move(pixels), std::move(labels), 2);
  TrainingSource source(part, {0, true}, kImages, 5);
  std::set<int> mirrored[2];
  for (int epoch = 0; epoch < 2; ++epoch) {
    const Batch batch = batch_of(source, epoch);
    for (int n = 0; n < kImages; ++n)
      if (batch.images.sample(n)[0] > 0) mirrored[epoch].insert(static_cast<int>(batch.images.sample(n)[0]));
    // Five standard deviations of a binomial(2000, 1/2) are 112.
    BOOST_TEST(std::abs(static_cast<int>(mirrored[epoch].size()) - kImages / 2) < 112);
  }
  BOOST_TEST((mirrored[0] != mirrored[1]));
}

BOOST_AUTO_TEST_CASE(cropping_reaches_every_shift_and_no_further) {
  std::vector<int> labels;
  std::vector<float> pixels;
  for (int i = 0; i < 500; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 49; ++p) pixels.push_back(p == 24 ? 1.0f : 0.0f);  // a dot in the middle
  }
  const DataPart part = float_part({1, 7, 7}, std::move(pixels), std::move(labels), 2);
  TrainingSource source(part, {2, false}, 500, 5);
  const Batch batch = batch_of(source, 0);
  std::set<std::int64_t> places;
  for (int n = 0; n < 500; ++n) {
    const float* sample = batch.images.sample(n);
    const auto place = std::max_element(sample, sample + 49) - sample;
    BOOST_TEST(std::abs(place / 7 - 3) <= 2);
    BOOST_TEST(std::abs(place % 7 - 3) <= 2);
    places.insert(place);
  }
  BOOST_TEST(places.size() == 25u);
}

BOOST_AUTO_TEST_CASE(evaluation_goes_in_order_and_ends_with_a_smaller_batch) {
  const DataPart part = numbered_part(10);
  EvaluationSource source(part, 4);
  BOOST_TEST(source.batches_per_epoch() == 3);
  int next = 0;
  for (std::int64_t step = 0; step < 3; ++step) {
    const Batch batch = batch_of(source, step);
    BOOST_TEST(batch.images.batch() == (step < 2 ? 4 : 2));
    BOOST_TEST(batch.labels.size() == static_cast<std::size_t>(batch.images.batch()));
    for (int n = 0; n < batch.images.batch(); ++n)
      BOOST_TEST(number_of(batch.images.sample(n), 12) == next++);
  }
  EvaluationSource first(part, 4, 6);
  BOOST_TEST(first.images() == 6);
  BOOST_TEST(batch_of(first, 1).images.batch() == 2);
  EvaluationSource all(part, 4, 1000);
  BOOST_TEST(all.images() == 10);
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_refused) {
  const DataPart part = numbered_part(10);
  BOOST_CHECK_EXCEPTION(TrainingSource(part, {}, 0, 1), UserError, message_has("batch: 0"));
  BOOST_CHECK_EXCEPTION(TrainingSource(part, {3, false}, 4, 1), UserError,
                        message_has("crop_pad: 3", "0..2"));
  BOOST_CHECK_EXCEPTION(TrainingSource(part, {-1, false}, 4, 1), UserError, message_has("crop_pad: -1"));
  BOOST_CHECK_EXCEPTION(EvaluationSource(part, -1), UserError, message_has("batch: -1"));
  BOOST_CHECK_EXCEPTION(EvaluationSource(part, 4, -1), UserError, message_has("images: -1"));
}

BOOST_AUTO_TEST_SUITE_END()
