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
#include "experiments/commands/infer_onnx.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"
#include "quant/format_json.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/data/loader.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {

namespace {

constexpr double kBytesPerKib = 1024.0, kNsPerMs = 1e6;

struct InferOptions {
  std::string model;
  std::vector<std::string> data;
  std::string format, logits;
  int batch = 1, images = 0;
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
  std::int64_t arena_bytes = 0, weight_bytes = 0;
  double peak_kib = 0;  ///< resident memory of this process, the images included
};

trainer::DataFormat format_named(const std::string& name) {
  std::vector<std::string> names;
  for (const trainer::DataLoader& loader : trainer::data_loaders()) {
    if (loader.name == name) return loader.format;
    names.emplace_back(loader.name);
  }
  throw base::UserError(fmt::format("infer: there is no data format '{}'{}; allowed: {}", name,
                                    base::did_you_mean(name, names), fmt::join(names, ", ")));
}

/// By what is given: no files, or files whose names tell.
trainer::DataFormat guess_format(const std::vector<std::string>& data) {
  if (data.front() == "fashion_mnist") return trainer::DataFormat::fashion_mnist;
  if (data.front().ends_with(".h5") || data.front().ends_with(".hdf5")) return trainer::DataFormat::hdf5;
  if (data.front().ends_with(".bin")) return trainer::DataFormat::cifar10;
  return trainer::DataFormat::idx;
}

trainer::DataPart load_images(const InferOptions& options, const trainer::DeployedModel& model) {
  const trainer::DataFormat format =
      options.format.empty() ? guess_format(options.data) : format_named(options.format);
  std::vector<std::string> files = options.data;
  if (format == trainer::DataFormat::fashion_mnist) {
    if (files.size() > 1 || files.front() != "fashion_mnist")
      throw base::UserError(
          "infer: the format fashion_mnist finds its files by itself: DATA is fashion_mnist");
    files.clear();
  }
  const int classes = model.network.nodes.back().output.channels;
  trainer::Dataset images = trainer::load_dataset(format, files, trainer::DataRole::test, classes);
  trainer::Normalization normalization = model.input.normalization;
  const auto channels = static_cast<std::size_t>(images.shape().channels);
  if (normalization.mean.empty())
    normalization = {std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
  if (normalization.mean.size() != channels)
    throw base::UserError(fmt::format("{}: images of {} channels, but {} takes {}", images.source, channels,
                                      options.model, normalization.mean.size()));
  const std::string source = images.source;
  trainer::DataPart part(std::move(images), std::move(normalization), model.input.pad);
  const quant::Shape given = part.shape(), taken = model.network.nodes.front().output;
  if (given != taken)
    throw base::UserError(fmt::format(
        "{}: images of {} x {} x {} (channels, height, width; with the border), but {} takes {} x {} x {}",
        source, given.channels, given.height, given.width, options.model, taken.channels, taken.height,
        taken.width));
  if (part.classes() > classes)
    throw base::UserError(
        fmt::format("{}: {} classes, but {} tells {} apart", source, part.classes(), options.model, classes));
  return part;
}

double peak_resident_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss);
}

Inference infer(const InferOptions& options, const trainer::DeployedModel& model,
                const trainer::DataPart& images) {
  trainer::IntegerNetwork network(model, options.batch);
  trainer::EvaluationSource source(images, options.batch, options.images);
  const hwmodels::PinnedThread pinned;
  Inference inference;
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
  std::string text = fmt::format("{}: {}, {} images, accuracy {:.2f} %, cross-entropy {:.4f}\n",
                                 options.model, model.network.name, inference.result.images,
                                 100 * inference.result.accuracy, inference.result.cross_entropy);
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
              {"accuracy", inference.result.accuracy},
              {"cross_entropy", inference.result.cross_entropy},
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
    if (!options.data.empty())
      throw base::UserError("infer: an ONNX model reads arrays: give --input NAME=FILE.npy in place of DATA");
    return infer_onnx(options.model, options.onnx, options.batch, options.json, streams);
  }
  if (options.data.empty())
    throw base::UserError("infer: DATA is missing: which images? See bitsmith infer --help");
  const trainer::DeployedModel model = trainer::load_model(options.model);
  const trainer::DataPart images = load_images(options, model);
  if (options.images > images.images())
    throw base::UserError(fmt::format("infer: --images {}: there are {}", options.images, images.images()));
  const Inference inference = infer(options, model, images);
  if (!options.logits.empty()) {
    const auto rows = static_cast<std::uint64_t>(inference.result.images);
    base::write_npy(options.logits, std::span<const float>(inference.logits),
                    {rows, inference.logits.size() / rows});
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
  command
      .add_option("data", options->data,
                  "of a .bsm: fashion_mnist; an HDF5 file; CIFAR-10 .bin files; or IDX images and IDX labels")
      ->type_name("DATA");
  command
      .add_option("--format", options->format, "fashion_mnist, idx, cifar10 or hdf5; default: by the name")
      ->type_name("NAME");
  command.add_option("--batch", options->batch, "images per run, 1 to 4096 (1)")
      ->check(CLI::Range(1, kMaxBatch));
  command.add_option("--images", options->images, "the first so many images only (0: all)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--logits", options->logits, "write them, float32 [images, classes]")
      ->type_name("OUT.npy");
  command.add_flag("--json", options->json, "print one JSON object");
  add_onnx_infer_options(command, options->onnx);
  command.callback([options, streams] { run_infer(*options, streams); });
}

}  // namespace bitsmith::experiments
