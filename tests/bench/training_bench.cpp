// Images per second of training and evaluation.
//
//   training_bench [--network NAME] [--mode MODE] [--threads N] [--batch 128] [--shards 4] [--reps 7]
//
// MODE is one of the rows of kModes below. Without --network, --mode or --threads: all of them (threads 1 and
// 2). One JSON object per line: minimum, median and maximum over `reps` of six optimiser steps each
// (training), or of passes over 2000 images (evaluation); peak memory of the process so far. Inputs are
// random: speed does not depend on them. w4a4 and the like have the first and last layer at 8 bits.

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "trainer/loss.hpp"
#include "trainer/network.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

namespace {

using namespace bitsmith;
using trainer::Mode;

using trainer::BackwardArithmetic;
using trainer::ForwardArithmetic;

struct TrainingMode {
  const char* name;
  int bits;  ///< of weights and activations; 32: not quantized
  bool training;
  trainer::Arithmetic arithmetic;
};
constexpr TrainingMode kModes[] = {
    {"fp32", 32, true, {ForwardArithmetic::fp32, BackwardArithmetic::fp32}},
    {"bf16", 32, true, {ForwardArithmetic::bf16, BackwardArithmetic::bf16}},
    {"w4a4", 4, true, {ForwardArithmetic::integer, BackwardArithmetic::bf16}},
    {"w8a8", 8, true, {ForwardArithmetic::integer, BackwardArithmetic::bf16}},
    {"w4a4_fp32", 4, true, {ForwardArithmetic::fp32, BackwardArithmetic::fp32}},
    {"eval_fp32", 32, false, {ForwardArithmetic::fp32, BackwardArithmetic::fp32}},
    {"eval_w8a8", 8, false, {ForwardArithmetic::integer, BackwardArithmetic::fp32}},
    {"eval_w4a4", 4, false, {ForwardArithmetic::integer, BackwardArithmetic::fp32}},
};

struct Settings {
  std::string network, mode;
  int threads = 0, batch = 128, shards = 4, reps = 7;
};

struct Rates {
  std::vector<double> wall;  ///< ascending, images per second
  double cpu = 0.0;  ///< best, images per second of processor time: hardly disturbed by other programs
};

Rates measure(int reps, double images, const std::function<void()>& work) {
  Rates rates;
  for (int i = 0; i < reps; ++i) {
    const std::clock_t cpu = std::clock();
    const auto start = std::chrono::steady_clock::now();
    work();
    rates.wall.push_back(images /
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    rates.cpu = std::max(rates.cpu, images * CLOCKS_PER_SEC / static_cast<double>(std::clock() - cpu));
  }
  std::ranges::sort(rates.wall);
  return rates;
}

const TrainingMode& mode_of(const std::string& name) {
  for (const TrainingMode& mode : kModes)
    if (name == mode.name) return mode;
  fmt::print(stderr, "training_bench: no mode '{}'\n", name);
  std::exit(2);
}

void quantize(trainer::Network& network, int bits) {
  const int layers = static_cast<int>(network.info().layers.size());
  for (int i = 0; i < layers; ++i) {
    trainer::LayerQuantization q;
    q.activation_bits = i == 0 || i + 1 == layers ? 8 : bits;
    q.weight_format = q.activation_bits;
    q.activation_signed = network.info().layers[static_cast<std::size_t>(i)].input_signed;
    q.activation_scale = 0.25f;
    network.set_quantization(i, q);
  }
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void run(const Settings& settings) {
  constexpr int kSteps = 6, kEvaluationImages = 2000, kEvaluationBatch = 500, kClasses = 10;
  const int side = settings.network == "cnn_small" ? 28 : 32;
  base::set_thread_count(settings.threads);
  trainer::Network network(trainer::build_network(settings.network, {1, side, side}, kClasses), 1,
                           settings.shards);
  double mmac = 0;
  for (const auto& layer : network.info().layers) mmac += static_cast<double>(layer.macs()) * 1e-6;
  const TrainingMode& mode = mode_of(settings.mode);
  if (mode.bits < 32) quantize(network, mode.bits);
  network.set_arithmetic(mode.arithmetic);

  const bool training = mode.training;
  trainer::Tensor images(training ? settings.batch : kEvaluationImages, {1, side, side}), gradient;
  base::Rng rng(1);
  for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  std::vector<int> labels(static_cast<std::size_t>(images.batch()));
  for (int& label : labels) label = static_cast<int>(rng.below(kClasses));
  trainer::TensorSource source(images, labels, kClasses, kEvaluationBatch);
  trainer::TrainOptions options;
  options.learning_rate = 0.01;
  const auto optimizer = trainer::make_optimizer(options);

  const auto train_step = [&] {
    softmax_cross_entropy(network.forward(images, Mode::train), labels, 0.0, &gradient);
    network.backward(gradient);
    optimizer->step(network.parameters(), 0.01);
  };
  const auto work = [&] {
    if (training)
      for (int i = 0; i < kSteps; ++i) train_step();
    else
      evaluate(network, source);
  };
  work();
  const Rates r = measure(settings.reps, training ? kSteps * settings.batch : kEvaluationImages, work);
  fmt::print(
      "{{\"network\": \"{}\", \"mode\": \"{}\", \"threads\": {}, \"batch\": {}, \"shards\": {}, \"isa\": "
      "\"{}\", "
      "\"mmac\": {:.2f}, \"images_per_second\": [{:.0f}, {:.0f}, {:.0f}], \"images_per_cpu_second\": "
      "{:.0f}, \"peak_mib\": {:.0f}}}\n",
      settings.network, settings.mode, settings.threads, images.batch(), settings.shards,
      base::isa_name(base::selected_isa()), mmac, r.wall.front(), r.wall[r.wall.size() / 2], r.wall.back(),
      r.cpu, peak_mib());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--network")
      settings.network = value;
    else if (key == "--mode")
      settings.mode = value;
    else if (key == "--threads")
      settings.threads = std::atoi(value.c_str());
    else if (key == "--batch")
      settings.batch = std::atoi(value.c_str());
    else if (key == "--shards")
      settings.shards = std::atoi(value.c_str());
    else if (key == "--reps")
      settings.reps = std::atoi(value.c_str());
  }
  std::vector<std::string> networks, modes;
  for (const TrainingMode& mode : kModes) modes.emplace_back(mode.name);
  for (const auto& row : trainer::network_rows()) networks.emplace_back(row.name);
  if (!settings.network.empty()) networks = {settings.network};
  if (!settings.mode.empty()) modes = {settings.mode};
  const std::vector<int> threads = settings.threads > 0 ? std::vector{settings.threads} : std::vector{1, 2};
  for (const auto& network : networks)
    for (const auto& mode : modes)
      for (int count : threads) {
        settings.network = network;
        settings.mode = mode;
        settings.threads = count;
        run(settings);
      }
}
