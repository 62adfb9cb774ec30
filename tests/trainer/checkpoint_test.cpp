#include "trainer/checkpoint.hpp"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hdf5.hpp"
#include "tests/quant/base/file_size_limit.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "trainer/data/data_sources.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

quant::NetworkInfo tiny_info(int channels = 4, int stride = 1) {
  quant::NetworkBuilder net("tiny", {1, 6, 6});
  int x = net.conv("conv1", net.input(), channels, quant::Window::square(3, stride, 1));
  x = net.relu("relu1", net.batch_norm("bn1", x));
  x = net.global_average_pool("pool", x);
  net.linear("fc", net.flatten("flat", x), 3);
  return std::move(net).build();
}

DataPart random_part() {
  std::vector<int> labels;
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 50; ++i) labels.push_back(i % 3);
  for (int i = 0; i < 50 * 36; ++i) pixels.push_back(static_cast<std::uint8_t>(i * 7919 % 256));
  return DataPart(
      make_dataset(images_in_memory({1, 6, 6}, std::move(pixels)), std::move(labels), 3, "made up"),
      {{0.5}, {0.3}}, 0);
}

TrainOptions four_epochs(OptimizerKind optimizer) {
  TrainOptions options;
  options.epochs = 4;
  options.batch = 8;
  options.shards = 2;
  options.optimizer = optimizer;
  options.learning_rate = 0.01;
  return options;
}

constexpr std::uint64_t kSourceSeed = 11;

TrainState train_on(const DataPart& part, Network& network, const TrainOptions& options,
                    const TrainHooks& hooks = {}, TrainState start = {}) {
  TrainingSource source(part, {1, true}, options.batch, kSourceSeed);
  return train(network, source, options, hooks, std::move(start));
}

bool same_numbers(const Network& a, const Network& b) {
  const auto same = [](const auto& left, const auto& right) {
    for (std::size_t i = 0; i < left.size(); ++i)
      if (std::memcmp(left[i].value.data(), right[i].value.data(), left[i].value.size() * sizeof(float)) != 0)
        return false;
    return true;
  };
  return same(a.parameters(), b.parameters()) && same(a.buffers(), b.buffers());
}

LayerQuantization four_bits(float clip) {
  LayerQuantization q;
  q.weight_format = 4;
  q.weight_granularity = quant::Granularity::tensor;
  q.weight_clip = {clip};
  q.activation_bits = 6;
  q.activation_signed = true;
  q.activation_scale = 0.0371f;
  return q;
}

// A file with the head of a checkpoint, and what `change` adds or changes.
void write_changed(const std::filesystem::path& path, const Network& network,
                   const std::function<void(base::hdf5::File&)>& change) {
  base::hdf5::write_file(path, [&](base::hdf5::File& file) {
    file.set_attribute("/", "format", "bitsmith checkpoint");
    file.set_attribute("/", "format_version", 1);
    file.set_attribute("/", "network", network.info().name);
    change(file);
  });
}
}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoints)

BOOST_AUTO_TEST_CASE(everything_comes_back_to_the_bit) {
  const TemporaryFolder folder;
  Network network(tiny_info(), 1), other(tiny_info(), 2);
  network.buffers()[0].value[1] = 0.25f;
  network.set_quantization(0, four_bits(0.8f));
  LayerQuantization fixed;
  fixed.weight_format = 8;
  fixed.weight_granularity = quant::Granularity::tensor;
  fixed.weight_scales = {0.0123f};
  network.set_quantization(1, fixed);
  Checkpoint checkpoint;
  checkpoint.state.step = 12;
  checkpoint.state.total = 24;
  checkpoint.state.epoch = 2.0;
  checkpoint.state.loss = 1.0 / 3.0;
  checkpoint.state.optimizer.steps = 12;
  for (const Parameter& p : network.parameters())
    checkpoint.state.optimizer.first.emplace_back(p.value.size(), 1e-7f);
  checkpoint.seed = ~std::uint64_t{0};
  checkpoint.run_identity = "abc";
  save_checkpoint(folder / "c.h5", network, checkpoint);
  BOOST_TEST(!same_numbers(network, other));
  const Checkpoint loaded = load_checkpoint(folder / "c.h5", other, "abc");
  BOOST_TEST(same_numbers(network, other));
  BOOST_TEST(loaded.state.step == 12);
  BOOST_TEST(loaded.state.total == 24);
  BOOST_TEST(loaded.state.epoch == 2.0);
  BOOST_TEST(loaded.state.loss == 1.0 / 3.0);
  BOOST_TEST(loaded.state.optimizer.steps == 12);
  BOOST_TEST((loaded.state.optimizer.first == checkpoint.state.optimizer.first));
  BOOST_TEST(loaded.state.optimizer.second.empty());
  BOOST_TEST(loaded.seed == ~std::uint64_t{0});
  BOOST_TEST(other.quantization(0).weight_format == 4);
  BOOST_TEST(other.quantization(0).weight_clip.at(0) == 0.8f);
  BOOST_TEST((other.quantization(0).weight_granularity == quant::Granularity::tensor));
  BOOST_TEST(other.quantization(0).activation_bits == 6);
  BOOST_TEST(other.quantization(0).activation_scale == 0.0371f);
  BOOST_TEST(other.quantization(1).weight_scales.at(0) == 0.0123f);
}

BOOST_AUTO_TEST_CASE(equal_states_give_equal_files) {
  const TemporaryFolder folder;
  const Network network(tiny_info(), 1);
  save_checkpoint(folder / "a.h5", network, {});
  save_checkpoint(folder / "b.h5", network, {});
  BOOST_TEST((base::read_file(folder / "a.h5") == base::read_file(folder / "b.h5")));
}

BOOST_AUTO_TEST_CASE(a_resumed_training_ends_with_the_weights_of_one_never_interrupted) {
  const TemporaryFolder folder;
  const DataPart part = random_part();
  for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adam}) {
    for (const bool quantized : {false, true}) {
      const TrainOptions options = four_epochs(optimizer);
      const auto fresh = [&] {
        Network network(tiny_info(), 5);
        if (quantized) network.set_quantization(0, four_bits(0.9f));
        return network;
      };
      Network straight = fresh();
      train_on(part, straight, options);

      Network interrupted = fresh();
      TrainHooks hooks;
      hooks.after_epoch = [&](const TrainState& state) {
        if (state.epoch == 2.0) save_checkpoint(folder / "c.h5", interrupted, {state, kSourceSeed, "run"});
      };
      train_on(part, interrupted, options, hooks);

      Network resumed(tiny_info(), 99);  // other weights, no quantization: all of it comes from the file
      Checkpoint checkpoint = load_checkpoint(folder / "c.h5", resumed, "run");
      BOOST_TEST(checkpoint.state.epoch == 2.0);
      BOOST_TEST(!same_numbers(straight, resumed));
      train_on(part, resumed, options, {}, std::move(checkpoint.state));
      BOOST_TEST(same_numbers(straight, resumed));
    }
  }
}

BOOST_AUTO_TEST_CASE(another_network_is_refused_with_the_first_mismatch_and_both_shapes) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c.h5", Network(tiny_info(4), 1), {});
  Network wider(tiny_info(8), 1);
  const std::vector<float> before = wider.parameters()[0].value;
  BOOST_CHECK_EXCEPTION(load_checkpoint(folder / "c.h5", wider), UserError,
                        message_has("c.h5", "parameters/conv1.weight", "4x1x3x3", "8x1x3x3", "'tiny'"));
  BOOST_TEST(wider.parameters()[0].value == before, boost::test_tools::per_element());
  Network strided(tiny_info(4, 2), 1);
  BOOST_CHECK_EXCEPTION(load_checkpoint(folder / "c.h5", strided), UserError,
                        message_has("another network", "same shapes"));
  quant::NetworkBuilder net("named", {1, 6, 6});
  net.linear("head", net.flatten("flat", net.input()), 3);
  Network named(std::move(net).build(), 1);
  BOOST_CHECK_EXCEPTION(load_checkpoint(folder / "c.h5", named), UserError,
                        message_has("has no 'parameters/head.weight'", "'named'", "written for 'tiny'"));
}

BOOST_AUTO_TEST_CASE(another_run_is_refused_unless_any_will_do) {
  const TemporaryFolder folder;
  Network network(tiny_info(), 1);
  save_checkpoint(folder / "c.h5", network, {{}, 0, "mine"});
  BOOST_CHECK_EXCEPTION(load_checkpoint(folder / "c.h5", network, "yours"), UserError,
                        message_has("another run (mine)", "(yours)"));
  BOOST_TEST(load_checkpoint(folder / "c.h5", network).run_identity == "mine");
}

BOOST_AUTO_TEST_CASE(other_versions_and_other_files_are_refused) {
  const TemporaryFolder folder;
  const auto path = folder / "c.h5";
  Network network(tiny_info(), 1);
  BOOST_CHECK_EXCEPTION(load_checkpoint(path, network), UserError, message_has("c.h5", "no such file"));
  base::hdf5::write_file(path, [](base::hdf5::File& file) { file.set_attribute("/", "title", "else"); });
  BOOST_CHECK_EXCEPTION(load_checkpoint(path, network), UserError, message_has("c.h5", "not a checkpoint"));
  write_changed(path, network, [](base::hdf5::File& file) { file.set_attribute("/", "format_version", 3); });
  BOOST_CHECK_EXCEPTION(load_checkpoint(path, network), UserError,
                        message_has("checkpoint format 3, this program reads 1 to 2"));
  write_changed(path, network, [](base::hdf5::File& file) {
    std::vector<float> values(36);
    values[3] = std::numeric_limits<float>::quiet_NaN();
    file.write("parameters/conv1.weight", values, {4, 1, 3, 3});
  });
  BOOST_CHECK_EXCEPTION(load_checkpoint(path, network), UserError, message_has("conv1.weight", "not finite"));
}

BOOST_AUTO_TEST_CASE(files_of_the_first_version_are_still_read) {
  const TemporaryFolder folder;
  const auto path = folder / "c.h5";
  const Network written(tiny_info(), 1);
  const auto write = [&](std::int64_t step) {
    base::hdf5::write_file(path, [&](base::hdf5::File& file) {
      file.set_attribute("/", "format", "bitsmith checkpoint");
      file.set_attribute("/", "format_version", 1);
      file.set_attribute("/", "network", "tiny");
      file.set_attribute("/", "network_hash", fmt::format("{:016x}", written.info().hash()));
      file.set_attribute("/", "run_identity", "run");
      file.set_attribute("/", "seed", 11);
      file.set_attribute("/", "step", step);
      file.set_attribute("/", "total_steps", 24);
      file.set_attribute("/", "epoch", 2.0);
      file.set_attribute("/", "loss", 0.5);
      for (const Parameter& p : written.parameters())
        file.write("parameters/" + p.name, p.value, {p.shape.begin(), p.shape.end()});
      for (const Buffer& b : written.buffers()) file.write("buffers/" + b.name, b.value);
      file.make_group("optimizer");
      file.set_attribute("optimizer", "steps", step);
      for (const Parameter& p : written.parameters())
        file.write("optimizer/first/" + p.name, std::vector<float>(p.value.size(), 0.25f),
                   {p.shape.begin(), p.shape.end()});
      for (const quant::LayerInfo& layer : written.info().layers) {
        const std::string group = "quantization/" + layer.name;
        file.make_group(group);
        for (const char* name : {"per_channel", "activation_signed"}) file.set_attribute(group, name, 0);
        for (const char* name : {"weight_bits", "activation_bits"}) file.set_attribute(group, name, 32);
        file.set_attribute(group, "activation_scale", 0.0);
      }
    });
  };
  Network network(tiny_info(), 2);
  write(12);
  const Checkpoint middle = load_checkpoint(path, network, "run");
  BOOST_TEST(same_numbers(network, written));
  BOOST_TEST(middle.state.step == 12);
  BOOST_TEST(middle.state.optimizer.first.at(0).at(0) == 0.25f);
  BOOST_TEST(!middle.state.finished);
  BOOST_TEST(middle.state.curve.empty());
  write(24);
  BOOST_TEST(load_checkpoint(path, network).state.finished);
}

BOOST_AUTO_TEST_CASE(to_be_used_and_not_trained_a_network_has_its_averaged_weights) {
  const TemporaryFolder folder;
  const Network weights(tiny_info(), 1), averaged(tiny_info(), 2);
  Checkpoint checkpoint;
  checkpoint.state.step = 3;
  update_average(checkpoint.state.average, averaged, 0.9);
  save_checkpoint(folder / "c.h5", weights, checkpoint);
  Network network(tiny_info(), 3);
  load_checkpoint(folder / "c.h5", network);
  BOOST_TEST(same_numbers(network, weights));
  load_trained(folder / "c.h5", network);
  BOOST_TEST(same_numbers(network, averaged));
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_the_old_checkpoint_and_says_so) {
  const TemporaryFolder folder;
  const auto path = folder / "c.h5";
  save_checkpoint(path, Network(tiny_info(), 1), {});
  const std::string old = base::read_file(path);
  {
    const tests::FileSizeLimit limit(1000);
    BOOST_CHECK_EXCEPTION(save_checkpoint(path, Network(tiny_info(), 2), {}), UserError,
                          message_has("c.h5", "too large"));
  }
  BOOST_TEST((base::read_file(path) == old));
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  save_checkpoint(path, Network(tiny_info(), 2), {});
  BOOST_TEST((base::read_file(path) != old));
}

BOOST_AUTO_TEST_CASE(a_truncated_checkpoint_is_refused_and_changes_nothing) {
  const TemporaryFolder folder;
  const auto path = folder / "c.h5";
  Network network(tiny_info(), 1), other(tiny_info(), 2);
  const std::vector<float> before = other.parameters()[0].value;
  save_checkpoint(path, network, {});
  const std::string good = base::read_file(path);
  for (std::size_t size = 0; size < good.size() - 24; size += 501) {
    std::ofstream(path, std::ios::binary) << good.substr(0, size);
    BOOST_CHECK_EXCEPTION(load_checkpoint(path, other), UserError, message_has("c.h5"));
  }
  BOOST_TEST(other.parameters()[0].value == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
