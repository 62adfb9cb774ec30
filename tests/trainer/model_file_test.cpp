#include "trainer/model_file.hpp"

#include <xxhash.h>

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/packed_bits.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

DeployedModel example_model(const char* name, int mix, Joins joins = Joins::fp32) {
  Example example(name, 3, {3, 16, 16}, joins);
  DeployedModel model = deploy(example.network, example.quantize(example.random_policy(mix)));
  model.input.normalization = {{0.25, 0.5, 0.75}, {0.2, 0.3, 0.4}};
  model.input.pad = 2;
  model.provenance = {{"version", "0.1"}, {"made", "in a test"}};
  return model;
}

std::string why_refused(const std::string& bytes) {
  try {
    const DeployedModel model = model_from_bytes(bytes, "x.bsm");
    IntegerNetwork network(model, 1);
    Tensor images(1, network.input()), logits;
    images.fill(0.5f);
    network.run_all(images, logits);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return {};
}

/// As a hostile author would: whatever the bytes are, the checksum fits.
void seal(std::string& bytes) {
  const std::string covered = bytes.substr(0, 56) + bytes.substr(64);
  const std::uint64_t sum = XXH3_64bits(covered.data(), covered.size());
  std::memcpy(bytes.data() + 56, &sum, sizeof sum);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_file)

BOOST_AUTO_TEST_CASE(packed_integers_come_back_at_every_width) {
  base::Rng rng(1);
  for (int bits = 2; bits <= 8; ++bits)
    for (std::size_t count : {0u, 1u, 3u, 8u, 17u, 1000u}) {
      std::vector<std::int8_t> values(count);
      for (auto& value : values)
        value = static_cast<std::int8_t>(static_cast<int>(rng.below(1u << bits)) - (1 << (bits - 1)));
      const std::string packed = pack_bits(values, bits);
      BOOST_TEST(packed.size() == (count * static_cast<std::size_t>(bits) + 7) / 8);
      BOOST_TEST(packed.size() == packed_bytes(count, bits));
      BOOST_TEST((unpack_bits(packed, count, bits) == values));
    }
}

BOOST_AUTO_TEST_CASE(a_loaded_model_computes_what_the_saved_one_computed) {
  const tests::TemporaryFolder folder;
  for (const char* name : {"cnn_small", "resnet8", "mobilenet_v2_small", "vit_tiny", "varied"})
    for (int mix : {0, 2, 3, 5}) {
      const DeployedModel model = example_model(name, mix, mix < 3 ? Joins::fp32 : Joins::int8);
      const auto file = folder / "model.bsm";
      save_model(model, file);
      const DeployedModel loaded = load_model(file);
      BOOST_TEST(loaded.network.hash() == model.network.hash());
      BOOST_TEST((loaded.policy == model.policy));
      BOOST_TEST((loaded.provenance == model.provenance));
      BOOST_TEST((loaded.input.normalization.mean == model.input.normalization.mean));
      BOOST_TEST(loaded.input.pad == 2);
      BOOST_TEST(model_to_bytes(loaded) == model_to_bytes(model));
      const SmallData data = make_small_data(8, model.network.nodes.front().output, 5, 9);
      Tensor before, after;
      IntegerNetwork(model, 4).run_all(data.images, before);
      IntegerNetwork(loaded, 4).run_all(data.images, after);
      for (std::int64_t i = 0; i < before.elements(); ++i) BOOST_REQUIRE(before.data()[i] == after.data()[i]);
    }
}

BOOST_AUTO_TEST_CASE(what_integers_stand_for_is_kept_where_it_is_known) {
  DeployedModel model = example_model("lenet5", 1);
  const DeployedModel loaded = model_from_bytes(model_to_bytes(model), "x.bsm");
  int scales = 0;
  for (std::size_t i = 0; i < model.steps.size(); ++i) {
    BOOST_TEST(loaded.steps[i].output_scale == model.steps[i].output_scale);
    BOOST_TEST(loaded.steps[i].weight_scales == model.steps[i].weight_scales,
               boost::test_tools::per_element());
    scales += model.steps[i].output_scale > 0;
  }
  BOOST_TEST(scales > 0);
  // Files of earlier programs have neither.
  for (DeployedStep& step : model.steps) {
    step.output_scale = 0;
    step.weight_scales.clear();
  }
  BOOST_TEST(why_refused(model_to_bytes(model)) == "");
  for (DeployedStep& step : model.steps)
    if (!step.layer.weights.empty()) step.weight_scales = {-1.0f};
  BOOST_TEST(why_refused(model_to_bytes(model)).find("has a scale that is not above 0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(weights_take_their_true_width) {
  Example example("resnet8", 3);
  const auto size = [&](int bits) {
    return model_to_bytes(deploy(example.network,
                                 example.quantize(quant::uniform_policy(example.network.info(), {bits, 8}))))
        .size();
  };
  std::int64_t weights = 0;
  for (const auto& layer : example.network.info().layers) weights += layer.weights();
  const auto saved = static_cast<double>(size(8) - size(2)), expected = static_cast<double>(weights) * 6 / 8;
  BOOST_TEST(saved == expected, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(a_truncated_file_is_refused_at_every_length) {
  const std::string bytes = model_to_bytes(example_model("cnn_small", 0));
  for (std::size_t length = 0; length < bytes.size(); length += length < 200 ? 1 : 997)
    BOOST_TEST(why_refused(bytes.substr(0, length)).starts_with("x.bsm: "));
  BOOST_TEST(why_refused(bytes + "x").find("damaged") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_is_refused_wherever_it_is) {
  const std::string bytes = model_to_bytes(example_model("cnn_small", 0));
  base::Rng rng(4);
  for (int i = 0; i < 300; ++i) {
    std::string flipped = bytes;
    const std::size_t at = i < 64 ? static_cast<std::size_t>(i) : rng.below(bytes.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng.below(8)));
    BOOST_TEST(!why_refused(flipped).empty(), "a bit of byte " << at);
  }
}

void change_at_random(const DeployedModel& model) {
  const std::string bytes = model_to_bytes(model);
  std::uint64_t description = 0;
  std::memcpy(&description, bytes.data() + 24, sizeof description);
  base::Rng rng(5);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string changed = bytes;
    for (std::uint64_t k = 0; k <= rng.below(3); ++k) {
      const std::size_t at = 8 + rng.below(i % 3 == 0 ? 48 : 56 + description);
      changed[at] = static_cast<char>(i % 2 == 0 ? '0' + static_cast<int>(rng.below(10))
                                                 : static_cast<int>(rng.below(256)));
    }
    seal(changed);
    refused += !why_refused(changed).empty();
  }
  BOOST_TEST(refused > 300);
}

BOOST_AUTO_TEST_CASE(a_hostile_file_with_a_right_checksum_is_refused_or_runs_but_reads_nothing_else) {
  change_at_random(example_model("cnn_small", 2));
  change_at_random(example_model("resnet8", 0, Joins::int8));
  change_at_random(example_model("vit_tiny", 1));
}

BOOST_AUTO_TEST_CASE(other_files_and_other_versions_are_named_as_such) {
  BOOST_TEST(why_refused("version: 1\n").find("no model file") != std::string::npos);
  std::string bytes = model_to_bytes(example_model("cnn_small", 0));
  bytes[8] = 9;
  BOOST_TEST(why_refused(bytes).find("format version 9") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_done_to_images_and_the_names_of_classes_are_kept) {
  DeployedModel model = example_model("cnn_small", 0);
  const std::string without = model_to_bytes(model);
  for (const char* key : {"\"color\"", "\"resize\"", "\"crop\"", "\"classes\""})
    BOOST_TEST(without.find(key) == std::string::npos);  // as files were before there was any of it
  BOOST_TEST(!model_from_bytes(without, "x.bsm").input.preprocessing.changes_anything());

  model.input.preprocessing = {ImageColor::gray, {20}, {16, 17}};
  model.input.class_names = {"aa", "b\xc3\xa9"};
  const std::string bytes = model_to_bytes(model);
  const DeployedModel loaded = model_from_bytes(bytes, "x.bsm");
  BOOST_TEST((loaded.input.preprocessing == model.input.preprocessing));
  BOOST_TEST(loaded.input.class_names == model.input.class_names, boost::test_tools::per_element());
  const std::pair<std::string, std::string> damages[] = {{"\"gray\"", "\"grey\""},
                                                         {"\"gray\"", "[1,2,3]"},
                                                         {"\"resize\":[20]", "\"resize\":[-1]"},
                                                         {"[20]", "[[]]"},
                                                         {"\"resize\":[20]", "\"resize\":  20"},
                                                         {"[16,17]", "[16,1e]"},
                                                         {"[16,17]", "[1,1,1]"},
                                                         {"[16,17]", "[99999]"},
                                                         {"\"aa\"", "1234"},
                                                         {"\"aa\",\"b\xc3\xa9\"", "\"aa\",\"aa\" "}};
  for (const auto& [from, to] : damages) {
    std::string changed = bytes;
    changed.replace(changed.find(from), from.size(), to);
    seal(changed);
    BOOST_TEST(why_refused(changed).starts_with("x.bsm: is damaged: "), from << " as " << to);
  }
}

BOOST_AUTO_TEST_CASE(a_kernel_that_does_not_exist_here_is_named_with_its_layer) {
  DeployedModel model = example_model("cnn_small", 0);
  for (DeployedStep& step : model.steps)
    if (step.step.kind == quant::StepKind::layer) step.step.kernel = "packed_int8_sve";
  const std::string why = why_refused(model_to_bytes(model));
  BOOST_TEST(why.find("packed_int8_sve") != std::string::npos);
  BOOST_TEST(why.find("conv1") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
