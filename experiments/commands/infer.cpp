#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/commands/infer_images.hpp"
#include "experiments/commands/infer_onnx.hpp"
#include "experiments/commands/infer_predictions.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/npy.hpp"
#include "quant/format_json.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {

namespace {

constexpr double kBytesPerKib = 1024.0, kNsPerMs = 1e6;

struct InferOptions {
  std::string model;
  std::string logits, predictions;
  InferImages images;
  int batch = 1, first_images = 0;
  bool json = false;
  OnnxInferOptions onnx;
};

/// Times of whole runs, ascending.
struct Latency {
  std::vector<double> ms;
  double quantile(double share) const {
    return ms[static_cast<std::size_t>(std::lround(share * static_cast<double>(ms.size() - 1)))];
  }
};

struct Inference {
  trainer::EvaluationResult result;
  Latency latency;
  std::vector<float> logits;  ///< images x classes
  bool has_labels = true;     ///< else accuracy and cross-entropy mean nothing
  std::int64_t arena_bytes = 0, weight_bytes = 0;
  double peak_kib = 0;  ///< resident memory of this process, the images included
};

double peak_resident_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss);
}

Inference infer(const InferOptions& options, const trainer::DeployedModel& model,
                const trainer::DataPart& images) {
  trainer::IntegerNetwork network(model, options.batch);
  trainer::EvaluationSource source(images, options.batch, options.first_images);
  const hwmodels::PinnedThread pinned;
  Inference inference;
  inference.has_labels = images.has_labels();
  trainer::Tensor logits;
  inference.result = trainer::evaluate_logits(source, [&](const trainer::Tensor& batch) -> trainer::Tensor& {
    const std::int64_t start = hwmodels::now_ns();
    network.run_all(batch, logits);  // one run: the source's batches are the network's
    inference.latency.ms.push_back(static_cast<double>(hwmodels::now_ns() - start) / kNsPerMs);
    inference.logits.insert(inference.logits.end(), logits.data(), logits.data() + logits.elements());
    return logits;
  });
  std::ranges::sort(inference.latency.ms);
  inference.arena_bytes = network.arena_bytes();
  inference.weight_bytes = network.weight_bytes();
  inference.peak_kib = peak_resident_kib();
  return inference;
}

std::string text_of(const InferOptions& options, const trainer::DeployedModel& model,
                    const Inference& inference) {
  const Latency& latency = inference.latency;
  const double median = latency.quantile(0.5);
  std::string text =
      fmt::format("{}: {}, {} images", options.model, model.network.name, inference.result.images);
  text += inference.has_labels ? fmt::format(", accuracy {:.2f} %, cross-entropy {:.4f}\n",
                                             100 * inference.result.accuracy, inference.result.cross_entropy)
                               : ", no labels\n";
  text += fmt::format(
      "Latency of a batch of {}, one thread, {} runs: min {:.4f}, median {:.4f}, p95 {:.4f}, p99 {:.4f}, max "
      "{:.4f} ms; {:.0f} images/s at the median\n",
      options.batch, latency.ms.size(), latency.ms.front(), median, latency.quantile(0.95),
      latency.quantile(0.99), latency.ms.back(), 1e3 * options.batch / median);
  text += fmt::format("Memory: weights {:.1f} KiB, activations {:.1f} KiB, peak of the process {:.1f} MiB\n",
                      static_cast<double>(inference.weight_bytes) / kBytesPerKib,
                      static_cast<double>(inference.arena_bytes) / kBytesPerKib,
                      inference.peak_kib / kBytesPerKib);
  return text;
}

std::string json_of(const InferOptions& options, const trainer::DeployedModel& model,
                    const Inference& inference) {
  using Json = nlohmann::ordered_json;
  const Latency& latency = inference.latency;
  Json object{{"model", options.model},
              {"network", model.network.name},
              {"images", inference.result.images},
              {"accuracy", inference.has_labels ? Json(inference.result.accuracy) : Json()},
              {"cross_entropy", inference.has_labels ? Json(inference.result.cross_entropy) : Json()},
              {"batch", options.batch},
              {"latency_ms",
               {{"runs", latency.ms.size()},
                {"min", latency.ms.front()},
                {"median", latency.quantile(0.5)},
                {"p95", latency.quantile(0.95)},
                {"p99", latency.quantile(0.99)},
                {"max", latency.ms.back()}}},
              {"weight_bytes", inference.weight_bytes},
              {"activation_bytes", inference.arena_bytes},
              {"peak_resident_kib", inference.peak_kib}};
  for (const quant::LayerFormats& bits : model.policy.layers) {
    object["weight_bits"].push_back(quant::format_json<nlohmann::ordered_json>(bits.weight));
    object["activation_bits"].push_back(quant::format_json<nlohmann::ordered_json>(bits.activation));
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

void run_infer(const InferOptions& options, const Streams& streams) {
  if (options.model.ends_with(".onnx")) {
    if (!options.images.data.empty())
      throw base::UserError("infer: an ONNX model reads arrays: give --input NAME=FILE.npy in place of DATA");
    return infer_onnx(options.model, options.onnx, options.batch, options.json, streams);
  }
  if (options.images.data.empty())
    throw base::UserError("infer: DATA is missing: which images? See bitsmith infer --help");
  const trainer::DeployedModel model = trainer::load_model(options.model);
  const trainer::DataPart images = load_images(options.images, model, options.model);
  if (options.first_images > images.images())
    throw base::UserError(
        fmt::format("infer: --images {}: there are {}", options.first_images, images.images()));
  const Inference inference = infer(options, model, images);
  if (!options.logits.empty()) {
    const auto rows = static_cast<std::uint64_t>(inference.result.images);
    base::write_npy(options.logits, std::span<const float>(inference.logits),
                    {rows, inference.logits.size() / rows});
  }
  if (!options.predictions.empty()) {
    const auto classes = static_cast<std::size_t>(model.network.nodes.back().output.channels);
    base::replace_file(options.predictions, predictions_csv(images, inference.logits, classes));
  }
  if (options.json) {
    streams.out << json_of(options, model, inference) << "\n";
  } else {
    streams.out << text_of(options, model, inference);
  }
}

}  // namespace

void add_infer_command(CLI::App& program, const Streams& streams) {
  constexpr int kMaxBatch = 4096;
  CLI::App& command =
      *program.add_subcommand("infer", "Run a deployed model on images: accuracy, latency, memory");
  const auto options = std::make_shared<InferOptions>();
  command.add_option("model", options->model, "deployed model of a run, .bsm; or an ONNX model, .onnx")
      ->required()
      ->type_name("MODEL");
  add_infer_images_options(command, options->images);
  command.add_option("--batch", options->batch, "images per run, 1 to 4096 (1)")
      ->check(CLI::Range(1, kMaxBatch));
  command.add_option("--images", options->first_images, "the first so many images only (0: all)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--logits", options->logits, "write them, float32 [images, classes]")
      ->type_name("OUT.npy");
  command
      .add_option("--predictions", options->predictions,
                  "write each image's file name or number, its likeliest class and that one's probability")
      ->type_name("OUT.csv");
  command.add_flag("--json", options->json, "print one JSON object");
  add_onnx_infer_options(command, options->onnx);
  command.callback([options, streams] { run_infer(*options, streams); });
}

}  // namespace bitsmith::experiments
