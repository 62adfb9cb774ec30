#include <boost/test/unit_test.hpp>

#include "tests/experiments/config/config_text.hpp"

using namespace bitsmith::experiments;

BOOST_AUTO_TEST_SUITE(config_rules)

BOOST_AUTO_TEST_CASE(a_width_belongs_to_networks_that_come_in_several) {
  BOOST_TEST(problem_of("", {"network.width=0.5"})
                 .starts_with("--set network.width=0.5: network.width: 'cnn_small' has no width multiplier; "
                              "networks that have one: mobilenet_v1, mobilenet_v2"));
  BOOST_TEST(problem_of("", {"network.width=0.5", "network.name=mobilenet_v1"}) == "no problem");
  BOOST_TEST(problem_of("", {"network.width=0", "network.name=mobilenet_v1"}) ==
             "--set network.width=0: network.width: got '0', allowed: a number, 0.01 to 16");
}

BOOST_AUTO_TEST_CASE(rules_between_keys_say_how_to_repair) {
  BOOST_TEST(problem_of("search: {episodes: 10, warmup_episodes: 10}\n") ==
             "c.yaml:3:24: search.warmup_episodes: 10 of 10 episodes are warm-up, so the agent would never "
             "act; make "
             "search.warmup_episodes smaller than search.episodes");
  BOOST_TEST(problem_of("search: {episodes: 10}\n") ==
             "c.yaml:3:10: search.episodes: 20 of 10 episodes are warm-up, so the agent would never "
             "act; make "
             "search.warmup_episodes smaller than search.episodes");
  BOOST_TEST(problem_of("search: {finalists: 200}\n") ==
             "c.yaml:3:10: search.finalists: 200 finalists of 100 episodes; make search.finalists at most "
             "search.episodes");
  BOOST_TEST(problem_of("search: {weight_bits: [4, 4, 2]}\n") ==
             "c.yaml:3:27: search.weight_bits[1]: got 4 twice; write each choice once");
  BOOST_TEST(problem_of("train: {batch: 2}\n") ==
             "c.yaml:3:9: train.batch: 4 shards of a batch of 2 images; make train.shards at most 2");
  BOOST_TEST(problem_of("finetune: {warmup_epochs: 5}\n") ==
             "c.yaml:3:12: finetune.warmup_epochs: warm-up of 5 epochs in 3 epochs of training; make "
             "finetune.warmup_epochs smaller than finetune.epochs");
  BOOST_TEST(problem_of("train: {step_epochs: [3]}\n") ==
             "c.yaml:3:9: train.step_epochs: has an effect with schedule step only; remove it or set "
             "train.schedule: step");
  BOOST_TEST(problem_of("train: {schedule: step}\n") ==
             "c.yaml:3:9: train.schedule: schedule step needs train.step_epochs, e.g. [5, 8]");
  BOOST_TEST(problem_of("train: {schedule: step, step_epochs: [3, 12]}\n") ==
             "c.yaml:3:25: train.step_epochs: the step at epoch 12 is not within 10 epochs of training");
  BOOST_TEST(problem_of("quantization: {weight_calibration: ema}\n") ==
             "c.yaml:3:16: quantization.weight_calibration: weights are seen once, so a moving average means "
             "nothing; "
             "allowed: minmax, mse, kl, percentile, kl_haq, octav, mse_fine");
  BOOST_TEST(problem_of("data: {train_images: 100}\nevaluator: {recalibration_images: 50}\n") ==
             "c.yaml:3:8: data.train_images: 512 images of a training part of 100; make "
             "quantization.calibration_images at most data.train_images");
  BOOST_TEST(problem_of("evaluator: {validation_images: 6000}\n") ==
             "c.yaml:3:13: evaluator.validation_images: 6000 images score a candidate but the validation "
             "part has 5000; "
             "make evaluator.validation_images at most data.validation_images");
}

BOOST_AUTO_TEST_CASE(methods_of_training_fit_what_they_are_to_train) {
  BOOST_TEST(problem_of("quantization: {activation_method: bitnet}\n") ==
             "c.yaml:3:16: quantization.activation_method: bitnet gives no integers at a scale that is known "
             "beforehand, and a run deploys its winner; bitsmith qat takes it");
  BOOST_TEST(
      problem_of("quantization: {layers: {conv1: {weight_method: bwn}}}\n") ==
      "c.yaml:3:25: quantization.layers.conv1: weight_method bwn does not serve weights in 2; it serves "
      "binary, and a run may give it that; name it for all layers instead: where it does not serve, "
      "layers train straight through");
  BOOST_TEST(problem_of("quantization: {layers: {conv1: {weight_bits: 4}}}\n") ==
             "c.yaml:3:25: quantization.layers.conv1: a search chooses the bits; remove weight_bits and "
             "activation_bits (bitsmith qat takes them)");
  BOOST_TEST(problem_of("quantization: {batch_norm: folded, weight_method: lsq}\n") ==
             "c.yaml:3:16: quantization.batch_norm: folded goes with weight_method straight_through alone; "
             "choose one of the two");
  BOOST_TEST(problem_of("quantization: {batch_norm: frozen, freeze_batch_norm_epochs: 2}\n") ==
             "c.yaml:3:36: quantization.freeze_batch_norm_epochs: batch_norm: frozen freezes from the "
             "beginning; remove one of the two");
  BOOST_TEST(
      problem_of("quantization: {progressive_bits: [6, 8]}\n") ==
      "c.yaml:3:38: quantization.progressive_bits[1]: got 8 after 6; write the bits in descending order, "
      "each once");
  BOOST_TEST(problem_of("qat: {policy: a.yaml, weights: 2}\n") ==
             "c.yaml:3:23: qat.weights: qat.policy says the bits of every layer; remove one of the two");
}

BOOST_AUTO_TEST_CASE(results_replace_nothing_that_the_run_reads) {
  BOOST_TEST(problem_of("output: my.yaml\n") ==
             "c.yaml:3:1: output: got 'my.yaml', allowed: a file name that ends in .h5 or .hdf5");
  BOOST_TEST(problem_of("output: ./a.h5\ndata: {format: hdf5, train_files: [a.h5], test_files: [b.h5]}\n") ==
             "c.yaml:3:1: output: would replace 'a.h5', which the run reads; choose another");
  BOOST_TEST(problem_of("output: a.h5\nhardware: {host: {table: x/../a.h5}}\n") ==
             "c.yaml:3:1: output: would replace 'x/../a.h5', which the run reads; choose another");
}

BOOST_AUTO_TEST_CASE(data_files_fit_their_format) {
  BOOST_TEST(problem_of("data: {format: hdf5, train_files: [a.h5], test_files: [a.h5, b.h5]}\n") ==
             "c.yaml:3:43: data.test_files: got 2 files as data.test_files; format hdf5 needs one");
  BOOST_TEST(problem_of("data: {train_files: [a]}\n") ==
             "c.yaml:3:8: data.train_files: got 1 files as data.train_files; give two, images and labels, or "
             "leave the key out");
  BOOST_TEST(problem_of("data: {mean: [0.5]}\n") ==
             "c.yaml:3:8: data.mean: got 1 and 0 values for data.mean and data.deviation; give both, "
             "one value per "
             "channel, or neither");
  BOOST_TEST(problems_of(minimal_config + "data: {format: cifar10}\n").size() == 2u);
  BOOST_TEST(problem_of("data: {format: folder, train_files: [a]}\n") ==
             "c.yaml:3:8: data.format: got no folders as data.test_files; format folder needs at least one");
  BOOST_TEST(
      problem_of("data: {format: numpy, train_files: [a.npz], test_files: [a.npy, b.npy, c.npy]}\n") ==
      "c.yaml:3:45: data.test_files: got 3 files as data.test_files; format numpy needs two .npy, images "
      "and labels, or one .npz of both");
  BOOST_TEST(problem_of("data: {layout: nhwc}\n") ==
             "c.yaml:3:8: data.layout: belongs to format numpy; the layout of other formats is known, remove "
             "data.layout");
}

BOOST_AUTO_TEST_CASE(a_crop_fits_into_what_resize_leaves) {
  BOOST_TEST(problem_of("data: {resize: [20], crop: [24]}\n") ==
             "c.yaml:3:22: data.crop: [24] is larger than what data.resize, [20], leaves; crop at most that");
  BOOST_TEST(problem_of("data: {resize: [20, 30], crop: [20, 31]}\n") ==
             "c.yaml:3:26: data.crop: [20, 31] is larger than what data.resize, [20, 30], leaves; crop at "
             "most that");
  BOOST_TEST(problems_of(minimal_config + "data: {resize: [20], crop: [20, 40]}\n").size() ==
             0u);  // of wide images
  BOOST_TEST(problems_of(minimal_config + "data: {resize: [20, 30], crop: [20, 30], color: rgb}\n").size() ==
             0u);
  BOOST_TEST(problems_of(minimal_config + "data: {resize: [1, 2, 3]}\n").size() == 1u);
  BOOST_TEST(problems_of(minimal_config + "data: {resize: [0], crop: 5, color: blue}\n").size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_constraint_needs_a_model_that_yields_it) {
  const std::string network = "network: {name: cnn_small}\n";
  BOOST_TEST(problems_of(network + "constraint: {latency: 1 ms}\nhardware: {models: [size]}\n").at(0) ==
             "c.yaml:2:14: constraint.latency: no model yields it; add 'host' to hardware.models or give "
             "hardware.command");
  BOOST_TEST(problems_of(network + "constraint: {energy_mj: 3.5}\n").at(0) ==
             "c.yaml:2:14: constraint.energy_mj: unknown metric; allowed: size, bops, latency, or one that "
             "hardware.command answers with");
  BOOST_TEST(
      problems_of(network + "constraint: {energy_mj: 3.5}\nhardware: {command: [./device]}\n").empty());
  BOOST_TEST(
      problems_of(network + "constraint: {latency: 1 ms}\nhardware: {models: [], command: [./device]}\n")
          .empty());
  BOOST_TEST(problems_of(network + "constraint: {}\n").at(0) ==
             "c.yaml:2:1: constraint: give at least one bound, e.g. constraint: {size: 0.5x}");
}

BOOST_AUTO_TEST_CASE(keys_without_effect_are_refused) {
  BOOST_TEST(problem_of("evaluator: {command: [./eval], finetune_steps: 3}\n") ==
             "c.yaml:3:32: evaluator.finetune_steps: belongs to the built-in evaluator; remove it or remove "
             "evaluator.command");
  BOOST_TEST(problem_of("hardware: {timeout_s: 3}\n") ==
             "c.yaml:3:12: hardware.timeout_s: has an effect with a program only; remove it or give "
             "hardware.command");
  BOOST_TEST(problem_of("network: {name: cnn_small, weights: a.npz, checkpoint: b.h5}\n").find("duplicate") !=
             std::string::npos);
  BOOST_TEST(problem_of("hardware: {models: [size, size]}\n") ==
             "c.yaml:3:27: hardware.models[1]: 'size' is listed twice; remove one");
}

BOOST_AUTO_TEST_CASE(a_training_is_its_own_teacher_in_no_case) {
  BOOST_TEST(problem_of("train: {distillation: 0.5}\n") ==
             "c.yaml:3:9: train.distillation: the teacher is the network that `train` is about to make; set "
             "finetune.distillation instead");
  BOOST_TEST(problem_of("finetune: {distillation: 0.5, distillation_temperature: 2}\n") == "no problem");
  BOOST_TEST(
      problem_of("finetune: {distillation_temperature: 2}\n") ==
      "c.yaml:3:12: finetune.distillation_temperature: has an effect with distillation only; remove it "
      "or set that");
}

BOOST_AUTO_TEST_CASE(keys_of_restarts_and_of_stopping_need_what_they_belong_to) {
  BOOST_TEST(problem_of("train: {restart_factor: 3}\n").find("schedule cosine_restarts only") !=
             std::string::npos);
  BOOST_TEST(problem_of("train: {schedule: cosine_restarts, restart_epochs: 2, restart_factor: 1}\n") ==
             "no problem");
  BOOST_TEST(problem_of("train: {min_improvement: 0.01}\n").find("early_stopping only") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_rule_is_silent_when_its_keys_are_wrong_already) {
  BOOST_TEST(problem_of("search: {episodes: ten, warmup_episodes: 200}\n") ==
             "c.yaml:3:20: search.episodes: got 'ten', allowed: an integer, 1 to 1000000");
}

BOOST_AUTO_TEST_SUITE_END()
