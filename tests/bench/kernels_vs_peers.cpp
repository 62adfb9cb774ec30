// Times our kernel rows and oneDNN on one layer after the other, for kernels_vs_peers.py.
//
//   kernels_vs_peers LAYERS.tsv
//
// For each line "NAME ROUND warm|cold" on standard input it prints one line "KERNEL WEIGHT_BITS
// ACTIVATION_BITS MICROSECONDS" for each kernel that serves the layer at 8/8 bits, in bit-serial arithmetic
// (3x3 convolutions) or with 4- and 2-bit weights (linear layers), one of the peer ("peer_onednn_int8"), then
// an empty line. Kernels take turns within a round. A list that is not one: what is wrong with which line,
// and exit code 2.

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hwmodels/layer_list.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "tests/bench/onednn_peer.hpp"

namespace {

using namespace bitsmith;
using quant::LayerBits;
using quant::Storage;

constexpr double kColdBytes = 128e6;  // of weights: several times any last-level cache here
constexpr int kSamples = 5;           // of each kernel in a round, taking turns
constexpr double kSampleUs = 4000;

struct Contender {
  std::string name;
  LayerBits bits;
  std::function<void()> run;
  std::vector<double> us;
};

/// A kernel with its data; `cold`: with as many copies of its weights as never fit a cache.
Contender contender(const quant::KernelRow& row, const quant::LayerInfo& layer, LayerBits bits, Storage to,
                    bool cold) {
  struct State {
    std::vector<std::unique_ptr<quant::PreparedKernel>> copies;
    std::vector<float> in, out;  // of any storage
    std::size_t next = 0;
  };
  base::Rng rng(1);
  const auto state = std::make_shared<State>();
  const Storage from = quant::input_storage(layer, bits);
  const quant::LayerNumbers numbers = quant::random_numbers(layer, bits, to, rng);
  do state->copies.push_back(row.prepare(layer, bits, from, to, 1, numbers));
  while (cold &&
         static_cast<double>(state->copies.size()) * static_cast<double>(state->copies[0]->weight_bytes()) <
             kColdBytes);
  state->in.resize(static_cast<std::size_t>(layer.input.elements() + 16));
  state->out.resize(static_cast<std::size_t>(layer.output.elements() + 16));
  auto* bytes = reinterpret_cast<std::uint8_t*>(state->in.data());
  for (std::int64_t i = 0; i < layer.input.elements(); ++i)
    if (from == Storage::f32)
      state->in[static_cast<std::size_t>(i)] = static_cast<float>(rng.uniform(0, 1));
    else
      bytes[i] = static_cast<std::uint8_t>(rng.below(std::uint64_t{1} << bits.activation));
  return {std::string(row.name),
          bits,
          [state] {
            state->copies[state->next]->run(state->in.data(), state->out.data());
            if (++state->next == state->copies.size()) state->next = 0;
          },
          {}};
}

std::vector<LayerBits> bits_of_interest(const quant::LayerInfo& layer) {
  if (layer.kind == quant::LayerKind::linear)
    return {{8, 8}, {4, 8}, {2, 8}, {8, quant::kFloatBits}, {4, quant::kFloatBits}, {2, quant::kFloatBits}};
  if (layer.kind == quant::LayerKind::conv && layer.window.kernel_h == 3)
    return {{8, 8}, {1, 1}, {2, 1}, {1, 2}, {2, 2}};
  return {{8, 8}};
}

double time_us(const std::function<void()>& run, long calls) {
  const auto start = std::chrono::steady_clock::now();
  for (long i = 0; i < calls; ++i) run();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(calls);
}

void measure(const quant::LayerInfo& layer, bool cold) {
  std::vector<Contender> contenders;
  for (const LayerBits bits : bits_of_interest(layer))
    for (const quant::KernelRow& row : quant::kernel_rows()) {
      const bool integers = layer.kind != quant::LayerKind::linear && row.integer_output;
      const Storage to = integers ? Storage::u8 : Storage::f32;
      const bool narrow = bits.weight <= 2 && layer.kind == quant::LayerKind::conv;
      if (!row.serves(layer, bits, quant::input_storage(layer, bits), to)) continue;
      if (narrow && row.name.substr(0, 10) != "bit_serial") continue;
      contenders.push_back(contender(row, layer, bits, to, cold));
    }
  contenders.push_back(
      {"peer_onednn_int8", {8, 8}, bench::onednn_int8_peer(layer, cold ? kColdBytes : 0), {}});
  std::vector<long> calls;
  for (Contender& c : contenders) {
    time_us(c.run, 2);
    calls.push_back(std::max(2L, static_cast<long>(kSampleUs / time_us(c.run, 2))));
  }
  for (int sample = 0; sample < kSamples; ++sample)
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      contenders[i].run();
      contenders[i].us.push_back(time_us(contenders[i].run, calls[i]));
    }
  for (Contender& c : contenders) {
    std::ranges::sort(c.us);
    fmt::print("{} {} {} {:.3f}\n", c.name, c.bits.weight, c.bits.activation, c.us[c.us.size() / 2]);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  omp_set_num_threads(1);
  if (argc != 2) {
    std::cerr << "usage: kernels_vs_peers LAYERS.tsv\n";
    return 2;
  }
  std::map<std::string, quant::LayerInfo> layers;
  try {
    for (const quant::NetworkInfo& network : hwmodels::read_layer_list(argv[1]))
      layers.emplace(network.name, network.layers.front());
  } catch (const base::UserError& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
  for (std::string name, round, cache; std::cin >> name >> round >> cache;)
    measure(layers.at(name), cache == "cold");
}
