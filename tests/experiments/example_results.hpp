#pragma once

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// Results of a made-up two-layer network, with a method that found nothing and values that are unknown.
inline RunResults example_results() {
  RunResults results;
  results.config = "seed: 1\nnetwork: {name: cnn_small}  # ü\n";
  results.identity = "0123456789abcdef";
  results.price_table_hash = "fedcba9876543210";
  results.provenance = {"0.1.0",
                        "v0.1-3-gabc",
                        "Some CPU \"7\"",
                        "avx2",
                        2,
                        1,
                        "2026-01-02T03:04:05Z",
                        "2026-01-02T03:10:05Z",
                        {{"oneDNN", "2.6.3"}, {"HDF5", "1.10.8"}}};
  results.stages = {{"train", 61.5, 120.25}, {"search", 200, 390}};
  results.network = "tiny";
  quant::LayerInfo conv;
  conv.name = "conv1";
  conv.input = {1, 28, 28};
  conv.output = {8, 28, 28};
  conv.window = quant::Window::square(3);
  quant::LayerInfo fc;
  fc.name = "fc";
  fc.kind = quant::LayerKind::linear;
  fc.input = {8, 1, 1};
  fc.output = {10, 1, 1};
  results.layers = {conv, fc};
  results.metrics = {{"size_kib", "KiB"}, {"latency_ms", "ms"}};
  results.constraints = {{"size", "0.5x", "size_kib", "KiB", 0.5, 0.49, true},
                         {"latency", "1.2 ms", "latency_ms", "ms", 1.2, 1.3, false}};
  results.training = {{1, 0.1, 0.5, 0.7, 0.6, 0.8}, {2, 0.05, 0.25, kUnknown, kUnknown, kUnknown}};
  results.training_steps = {2, {1.5f, 0.75f, 0.25f}};
  search::EpisodeRecord first{
      0, {{{8, 8}, {8, 32}}}, {{{8, 8}, {4, 32}}}, {0.75, kUnknown}, -0.5, {0.5, 1.1}, false};
  search::EpisodeRecord second{
      1, {{{2, 3}, {4, 5}}}, {{{2, 3}, {4, 5}}}, {0.5, 1.25}, -1.5, {0.25, kUnknown}, true};
  results.searches = {{"ddpg", {first, second}}, {"random", {}}};
  MethodSummary fp32{"fp32", false, 0.9, 0.89, 4.5, 2.5, 1.5, 32, 32, -1, {{{32, 32}, {32, 32}}}, {}};
  MethodSummary ddpg{"ddpg", true, 0.88, 0.87, kUnknown, 0.49, 0.2, 5.5, 6.25, 2, first.policy, {}};
  ddpg.finetuning = {{1, 0.01, 0.3, 0.9, 0.4, 0.87}};
  MethodSummary nothing;
  nothing.name = "uniform within budget";
  results.methods = {fp32, ddpg, nothing};
  results.winner = {"ddpg", first.policy, {{"conv_s8", 30.5, 0.6, 31.0}, {"", 10.0, 0.2, kUnknown}},
                    10.25,  11.5,         1.1,
                    1.15,   1.4,          0.86,
                    0.999};
  return results;
}

}  // namespace bitsmith::experiments
