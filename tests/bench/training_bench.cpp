// Images per second of training and evaluation.
//
//   training_bench [--network NAME] [--mode fp32|qat|eval] [--threads N] [--batch 128] [--shards 4] [--reps
//   7]
//
// Without --network, --mode or --threads: all of them (threads 1 and 2). One JSON object per line: minimum,
// median and maximum over `reps` of six optimiser steps each (training), or of passes over 2000 images
// (evaluation). Inputs are random: speed does not depend on them. qat is W4A4 with the first and last layer
// at 8 bits.

#include <fmt/format.h>

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

namespace {

using namespace bitsmith;
using trainer::Mode;

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

void quantize(trainer::Network& network) {
  const int layers = static_cast<int>(network.info().layers.size());
  for (int i = 0; i < layers; ++i) {
    trainer::LayerQuantization q;
    q.activation_bits = i == 0 || i + 1 == layers ? 8 : 4;
    q.weight_format = q.activation_bits;
    q.activation_signed = network.info().layers[static_cast<std::size_t>(i)].input_signed;
    q.activation_scale = 0.25f;
    network.set_quantization(i, q);
  }
}

void run(const Settings& settings) {
  constexpr int kSteps = 6, kEvaluationImages = 2000, kEvaluationBatch = 500, kClasses = 10;
  const int side = settings.network == "cnn_small" ? 28 : 32;
  base::set_thread_count(settings.threads);
  trainer::Network network(trainer::build_network(settings.network, {1, side, side}, kClasses), 1,
                           settings.shards);
  double mmac = 0;
  for (const auto& layer : network.info().layers) mmac += static_cast<double>(layer.macs()) * 1e-6;
  if (settings.mode == "qat") quantize(network);

  const bool training = settings.mode != "eval";
  trainer::Tensor images(training ? settings.batch : kEvaluationBatch, {1, side, side}), gradient;
  base::Rng rng(1);
  for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  std::vector<int> labels(static_cast<std::size_t>(images.batch()));
  for (int& label : labels) label = static_cast<int>(rng.below(kClasses));
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
      for (int i = 0; i < kEvaluationImages / kEvaluationBatch; ++i) network.forward(images, Mode::evaluate);
  };
  work();
  const Rates r = measure(settings.reps, training ? kSteps * settings.batch : kEvaluationImages, work);
  fmt::print(
      "{{\"network\": \"{}\", \"mode\": \"{}\", \"threads\": {}, \"batch\": {}, \"shards\": {}, \"isa\": "
      "\"{}\", "
      "\"mmac\": {:.2f}, \"images_per_second\": [{:.0f}, {:.0f}, {:.0f}], \"images_per_cpu_second\": "
      "{:.0f}}}\n",
      settings.network, settings.mode, settings.threads, images.batch(), settings.shards,
      base::isa_name(base::selected_isa()), mmac, r.wall.front(), r.wall[r.wall.size() / 2], r.wall.back(),
      r.cpu);
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
  std::vector<std::string> networks, modes = {"fp32", "qat", "eval"};
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
