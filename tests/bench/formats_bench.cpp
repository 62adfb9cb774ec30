// Quantization of a 64 MiB float32 tensor, 4096 rows of 4096, beside a copy of the same tensor.
//
//   formats_bench [--threads=N] [Google Benchmark's options]
//
// Every iteration is one quantization and one parallel memcpy, in turns, so that both see the same machine.
// Counters: `of_copy`, the median copy's time over the median quantization's, which is the share of the
// copy's bandwidth when the tensor read and the values written are counted; `of_copy_best`, of the fastest of
// each; `copy_GBps`, of a copy, read plus written. What an encoding writes beside values (bytes of codes,
// scales) comes on top and is not counted. Ranges are min-max, found in the same pass.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/formats/fast_quantize.hpp"
#include "quant/formats/storage.hpp"

namespace {

using namespace bitsmith;

constexpr std::int64_t kRows = 4096, kWidth = 4096;
constexpr std::size_t kElements = static_cast<std::size_t>(kRows * kWidth);
constexpr std::int64_t kShape[] = {kRows, kWidth};

struct Tensors {
  std::vector<float> x, y, copy;
  std::vector<std::uint8_t> bytes;

  Tensors() : x(kElements), y(kElements), copy(kElements), bytes(kElements) {
    base::Rng rng(1);
    for (float& v : x) v = static_cast<float>(rng.normal());
  }
};

Tensors& tensors() {
  static Tensors all;
  return all;
}

/// Of a run: by the clock, and of all threads on a CPU, which is what remains comparable on a busy machine.
struct Times {
  std::vector<double> wall, cpu;

  template <typename Action>
  void take(const Action& action) {
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = cpu_seconds();
    action();
    cpu.push_back(cpu_seconds() - cpu_start);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  static double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
};

void copy_on_all_threads() {
  Tensors& t = tensors();
  const int threads = base::thread_count();
  const std::size_t each = kElements / static_cast<std::size_t>(threads);
  base::parallel_for(threads, [&](int part) {
    const std::size_t from = static_cast<std::size_t>(part) * each;
    const std::size_t n = part + 1 == threads ? kElements - from : each;
    std::memcpy(t.copy.data() + from, t.x.data() + from, n * sizeof(float));
  });
}

double median(std::vector<double> of) {
  std::ranges::nth_element(of, of.begin() + std::ssize(of) / 2);
  return of[of.size() / 2];
}

struct Case {
  const char* format;
  const char* slicing;
  bool bytes, values;
};

void quantize(benchmark::State& state, const Case& what) {
  Tensors& t = tensors();
  const quant::Format format = quant::format_named(what.format, "benchmark");
  const quant::EncodingOptions options{.slicing = quant::parse_slicing(what.slicing, -1, "benchmark")};
  quant::Encoded scales = quant::allocate_scales(format, kShape, options);
  const quant::FastOutputs outputs{.bytes = what.bytes ? std::span(t.bytes) : std::span<std::uint8_t>{},
                                   .values = what.values ? std::span(t.y) : std::span<float>{}};
  Times copies, quantizations;
  bool served = true;
  for ([[maybe_unused]] auto _ : state) {
    copies.take(copy_on_all_threads);
    quantizations.take([&] { served = quant::fast_quantize(t.x, scales, outputs); });
    state.SetIterationTime(quantizations.wall.back());
  }
  if (!served) state.SkipWithError("no fast path");
  state.counters["of_copy"] = median(copies.wall) / median(quantizations.wall);
  state.counters["of_copy_cpu"] = median(copies.cpu) / median(quantizations.cpu);
  state.counters["copy_GBps"] =
      2 * static_cast<double>(kElements * sizeof(float)) / median(copies.wall) / 1e9;
}

void register_all() {
  for (const Case& what : {Case{"int8", "channel:0", false, true}, Case{"int8", "channel:0", true, true},
                           Case{"int8", "channel:0", true, false}, Case{"int4", "channel:0", false, true},
                           Case{"int4", "channel:0", true, true}, Case{"int4", "group:32", false, true},
                           Case{"int8", "tensor", false, true}, Case{"uint8", "channel:0", true, true},
                           Case{"fp8_e4m3", "channel:0", false, true},
                           Case{"fp8_e4m3", "channel:0", true, true}, Case{"mxfp4", "tensor", false, true},
                           Case{"mxfp4", "tensor", true, true}, Case{"mxfp8_e4m3", "tensor", true, true}}) {
    const std::string name = std::string(what.format) + "/" + what.slicing + (what.bytes ? "/codes" : "") +
                             (what.values ? "/values" : "");
    benchmark::RegisterBenchmark(name.c_str(), quantize, what)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->MinTime(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  constexpr std::string_view kThreads = "--threads=";
  for (int i = 1; i < argc; ++i) {
    if (!std::string_view(argv[i]).starts_with(kThreads)) return 2;
    base::set_thread_count(std::atoi(argv[i] + kThreads.size()));
  }
  register_all();
  benchmark::RunSpecifiedBenchmarks();
}
