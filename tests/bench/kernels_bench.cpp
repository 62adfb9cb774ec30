// Microseconds of every kernel of the table on a list of layers, one thread, batch 1.
//
//   kernels_bench [LAYERS.tsv] [SAMPLES]
//
// LAYERS.tsv is a layer list (hwmodels/layer_list.hpp); without it, a list of its own. All kernels of a layer
// are timed in one process, in an order drawn anew for each pass, so that their ratios hold on a noisy
// machine. One JSON object per layer, kernel and cache mode: median microseconds, GOP/s, and `speedup`, the
// time of onednn_int8 in the same mode over this one's. Convolutions read and write u8 (fp32 and weight-only
// kernels f32), linear layers write f32; "cold" weights come from memory.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "hwmodels/layer_list.hpp"
#include "hwmodels/measurement.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/quantizer.hpp"

namespace {

using namespace bitsmith;
using quant::Storage;

constexpr std::int64_t kColdBytes = std::int64_t{256}
                                    << 20;  // of copies: more than any last-level cache here
constexpr int kMostCopies = 64;
constexpr const char* kLayers =
    "pw112 conv 32 64 112 1 1 1\npw56 conv 128 128 56 1 1 1\npw14 conv 512 512 14 1 1 1\ndw56 conv 128 128 "
    "56 3 1 128\n"
    "res28 conv 128 128 28 3 1 1\nres14 conv 256 256 14 3 1 1\nres7 conv 512 512 7 3 1 1\nfirst224 conv 3 32 "
    "224 3 2 1\n"
    "fc1000 fc 1024 1000 1 1 1 1\nfc4096 fc 4096 4096 1 1 1 1\n";

class KernelSubject final : public hwmodels::Subject {
 public:
  KernelSubject(const quant::KernelRow& of, const quant::LayerInfo& layer, quant::LayerBits at,
                base::Rng& rng)
      : row(of), bits(at), from_(quant::input_storage(layer, bits)) {
    const bool integers = layer.kind != quant::LayerKind::linear && row.integer_output;
    const Storage to = integers ? Storage::u8 : Storage::f32;
    copies_.push_back(row.prepare(layer, bits, from_, to, 1, quant::random_numbers(layer, bits, to, rng)));
    if (layer.kind == quant::LayerKind::linear)
      while (cold_copies() < kMostCopies && std::ssize(copies_) * copies_[0]->weight_bytes() < kColdBytes)
        copies_.push_back(
            row.prepare(layer, bits, from_, to, 1, quant::random_numbers(layer, bits, to, rng)));
    in_.resize(static_cast<std::size_t>(layer.input.elements() * 4 + 64));
    out_.resize(static_cast<std::size_t>(layer.output.elements() * 4 + 64));
    fill(layer.input.elements(), rng);
  }
  void run() override { copies_[0]->run(in_.data(), out_.data()); }
  int cold_copies() const override { return copies_.size() > 1 ? static_cast<int>(copies_.size()) : 0; }
  void run_cold(int copy) override { copies_[static_cast<std::size_t>(copy)]->run(in_.data(), out_.data()); }

  const quant::KernelRow& row;
  quant::LayerBits bits;

 private:
  void fill(std::int64_t count, base::Rng& rng) {
    const std::uint64_t levels = from_ == Storage::f32 ? 0 : std::uint64_t{1} << bits.activation;
    for (std::int64_t i = 0; i < count; ++i) {
      if (from_ == Storage::f32)
        reinterpret_cast<float*>(in_.data())[i] = static_cast<float>(rng.uniform(0, 1));
      else
        in_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(rng.below(levels));
    }
  }

  Storage from_;
  std::vector<std::unique_ptr<quant::PreparedKernel>> copies_;
  std::vector<std::uint8_t> in_, out_;
};

/// The widest pair of bits of a row: what all narrower ones cost, too.
quant::LayerBits widest(const quant::KernelRow& row) {
  return {row.weight_bits.high, row.activation_bits.high};
}

void bench(const quant::LayerInfo& layer, int samples) {
  base::Rng rng(1);
  std::vector<std::unique_ptr<KernelSubject>> owners;
  std::vector<hwmodels::Subject*> subjects;
  for (const quant::KernelRow& row : quant::kernel_rows()) {
    const quant::LayerBits bits = widest(row);
    const bool integers = layer.kind != quant::LayerKind::linear && row.integer_output;
    if (!row.serves(layer, bits, quant::input_storage(layer, bits), integers ? Storage::u8 : Storage::f32))
      continue;
    owners.push_back(std::make_unique<KernelSubject>(row, layer, bits, rng));
    subjects.push_back(owners.back().get());
  }
  hwmodels::MeasurementOptions options;
  options.samples = samples;
  options.sample_ms = 3;
  const hwmodels::Measurement measured = hwmodels::measure(subjects, options);
  for (const bool cold : {false, true}) {
    const auto& timings = cold ? measured.cold : measured.warm;
    double yardstick = 0;
    for (std::size_t i = 0; i < owners.size(); ++i)
      if (owners[i]->row.name == "onednn_int8" && !timings[i].samples_us.empty())
        yardstick = timings[i].median_us();
    for (std::size_t i = 0; i < owners.size(); ++i) {
      if (timings[i].samples_us.empty()) continue;
      const double us = timings[i].median_us();
      fmt::print(
          "{{\"layer\": \"{}\", \"kernel\": \"{}\", \"weight_bits\": {}, \"activation_bits\": {}, "
          "\"weights\": "
          "\"{}\", \"us\": {:.3f}, \"min_us\": {:.3f}, \"gops\": {:.1f}, \"speedup\": {:.3f}}}\n",
          layer.name, owners[i]->row.name, owners[i]->bits.weight, owners[i]->bits.activation,
          cold ? "cold" : "warm", us, timings[i].min_us(), 2e-3 * static_cast<double>(layer.macs()) / us,
          yardstick / us);
    }
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<quant::NetworkInfo> layers;
  try {
    layers = argc > 1 && argv[1][0] != '\0' ? hwmodels::read_layer_list(argv[1])
                                            : hwmodels::parse_layer_list(kLayers, "built-in list");
  } catch (const base::UserError& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
  const int samples = argc > 2 ? std::max(1, std::atoi(argv[2])) : 9;
  for (const quant::NetworkInfo& network : layers)
    base::parallel_for(1, [&](int) { bench(network.layers.front(), samples); });
}
