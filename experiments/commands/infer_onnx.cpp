#include "experiments/commands/infer_onnx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "experiments/commands/network_argument.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"
#include "quant/base/random.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/onnx/imported_policy.hpp"
#include "trainer/qat.hpp"
#include "trainer/tensor_source.hpp"

namespace bitsmith::experiments {
namespace {

namespace onnx = trainer::onnx;
using Arrays = std::map<std::string, base::NpyArray>;

constexpr double kNsPerMs = 1e6;

std::vector<std::string> input_names(const onnx::Model& model) {
  std::vector<std::string> names;
  for (const onnx::Value& value : model.graph.inputs) names.push_back(value.name);
  return names;
}

/// By the name of the input; every one of the model's is there.
Arrays read_inputs(const onnx::Model& model, const OnnxInferOptions& options) {
  const std::vector<std::string> names = input_names(model);
  Arrays arrays;
  for (const std::string& word : options.inputs) {
    const std::size_t equals = word.find('=');
    const bool named = equals != std::string::npos;
    if (!named && names.size() != 1)
      throw base::UserError(
          fmt::format("--input {}: the model has {} inputs; say which: NAME=FILE.npy, NAME one of {}", word,
                      names.size(), base::join_names(names)));
    const std::string name = named ? word.substr(0, equals) : names[0];
    if (std::ranges::find(names, name) == names.end())
      throw base::UserError(fmt::format("--input {}: the model has no input '{}'{}; it has {}", word, name,
                                        base::did_you_mean(name, names), base::join_names(names)));
    if (!arrays.emplace(name, base::read_npy(named ? word.substr(equals + 1) : word)).second)
      throw base::UserError(fmt::format("--input {}: '{}' is given twice", word, name));
  }
  for (const std::string& name : names)
    if (!arrays.contains(name))
      throw base::UserError(
          fmt::format("infer: input '{}' is missing; give --input {}=FILE.npy", name, name));
  return arrays;
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, "x"));
}

/// Dimensions that a model leaves open, the batch aside, are those of the array that it is to read.
void close_dims(onnx::Value& value, const base::NpyArray& array) {
  if (!value.has_shape) {
    value.has_shape = true;
    value.dims.assign(array.shape.size(), -1);
  }
  for (std::size_t d = 1; d < value.dims.size() && value.dims.size() == array.shape.size(); ++d)
    if (value.dims[d] < 0) value.dims[d] = static_cast<std::int64_t>(array.shape[d]);
}

/// Images as the network has them: of an array in the model's order.
trainer::Tensor to_tensor(const base::NpyArray& array, const onnx::ImportedNetwork& network) {
  const onnx::Dims wanted = network.input_layout.shape();
  bool fits = array.shape.size() == wanted.size() && array.shape[0] >= 1;
  for (std::size_t d = 1; fits && d < wanted.size(); ++d)
    fits = array.shape[d] == static_cast<std::uint64_t>(wanted[d]);
  if (!fits)
    throw base::UserError(fmt::format("{}: got {}, the model takes Nx{}", array.source,
                                      shape_text(array.shape),
                                      onnx::show({wanted.begin() + 1, wanted.end()})));
  const std::vector<float> values = array.floats();
  if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); }))
    throw base::UserError(fmt::format("{}: a value is not finite", array.source));
  trainer::Tensor images(static_cast<int>(array.shape[0]), network.info.nodes.front().output);
  const std::vector<std::int64_t> order = network.input_layout.memory_order();
  for (int n = 0; n < images.batch(); ++n)
    for (std::size_t i = 0; i < order.size(); ++i)
      images.sample(n)[order[i]] = values[static_cast<std::size_t>(n) * order.size() + i];
  return images;
}

std::string to_npy(const trainer::Tensor& logits, const onnx::Layout& layout) {
  const std::vector<std::int64_t> order = layout.memory_order();
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(logits.elements()));
  for (int n = 0; n < logits.batch(); ++n)
    for (const std::int64_t from : order) values.push_back(logits.sample(n)[from]);
  std::vector<std::uint64_t> shape;
  for (const std::int64_t size : layout.shape()) shape.push_back(static_cast<std::uint64_t>(size));
  std::uint64_t& images = shape.at(static_cast<std::size_t>(layout.batch_dim()));
  images = images / static_cast<std::uint64_t>(layout.batch()) * static_cast<std::uint64_t>(logits.batch());
  return base::npy_bytes<float>(values, shape);
}

struct Deployed {
  trainer::Network network;
  quant::Plan plan;
  Deployed(const onnx::ImportedNetwork& imported, const std::string& policy, const trainer::Tensor& images)
      : network(imported.info, 1) {
    onnx::put_numbers(imported, network);
    const quant::Policy chosen =
        policy.empty() ? onnx::imported_policy(imported) : policy_argument(network.info(), policy);
    if (chosen.quantizes()) {
      trainer::TensorSource source(images, std::vector<int>(static_cast<std::size_t>(images.batch()), 0), 2,
                                   std::min(images.batch(), 32));
      const trainer::CalibrationTable table = trainer::calibrate(network, source, {});
      if (policy.empty())
        onnx::apply_imported_policy(network, imported, table);
      else
        trainer::apply_policy(network, chosen, table, {});
    }
    plan = quant::lower(network.info(), chosen);
  }
};

/// Milliseconds of each run, ascending.
std::vector<double> bench(const Deployed& deployed, int batch, int runs) {
  trainer::IntegerNetwork network(deployed.network, deployed.plan, batch);
  trainer::Tensor images(batch, network.input()), logits;
  base::Rng rng(1);
  for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  const hwmodels::PinnedThread pinned;
  std::vector<double> ms;
  for (int run = -2; run < runs; ++run) {  // two to warm up
    const std::int64_t start = hwmodels::now_ns();
    network.run_all(images, logits);
    if (run >= 0) ms.push_back(static_cast<double>(hwmodels::now_ns() - start) / kNsPerMs);
  }
  std::ranges::sort(ms);
  return ms;
}

/// A graph that no network here can be: by the plain loops of its operators, on arrays of any kind.
void evaluate_plainly(const onnx::Model& model, const OnnxInferOptions& options, const Arrays& arrays,
                      const std::string& why, const Streams& streams) {
  if (!options.policy.empty() || options.bench) throw base::UserError(why);
  std::map<std::string, onnx::Tensor> inputs;
  for (const onnx::Value& value : model.graph.inputs) {
    const base::NpyArray& array = arrays.at(value.name);
    onnx::Dims dims(array.shape.begin(), array.shape.end());
    if (value.type == onnx::ElementType::float32)
      inputs[value.name] = onnx::Tensor::of(dims, std::span<const float>(array.floats()));
    else if (value.type == onnx::ElementType::int64)
      inputs[value.name] = onnx::Tensor::of(dims, std::span<const std::int64_t>(array.integers()));
    else
      throw base::UserError(fmt::format("input '{}': its type is {}; float32 and int64 are supported",
                                        value.name, onnx::element_type_name(value.type)));
  }
  const std::vector<onnx::Tensor> outputs = onnx::evaluate(model, inputs);
  streams.err << "bitsmith: computed operator by operator in plain loops, which is slow: no network here can "
                 "run it\n";
  std::map<std::string, std::string> files;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<std::uint64_t> shape(outputs[i].dims.begin(), outputs[i].dims.end());
    if (outputs[i].type == onnx::ElementType::float32)
      files[model.graph.outputs[i].name] = base::npy_bytes<float>(outputs[i].as<float>(), shape);
    else if (outputs[i].type == onnx::ElementType::int64)
      files[model.graph.outputs[i].name] =
          base::npy_bytes<std::int64_t>(outputs[i].as<std::int64_t>(), shape);
    else
      throw base::UserError(fmt::format("output '{}': its type is {}; float32 and int64 are supported",
                                        model.graph.outputs[i].name,
                                        onnx::element_type_name(outputs[i].type)));
  }
  if (!options.output.empty()) base::write_npz(options.output, files);
  for (const onnx::Value& value : model.graph.outputs)
    streams.out << fmt::format("{}: computed\n", value.name);
}

}  // namespace

void add_onnx_infer_options(CLI::App& command, OnnxInferOptions& options) {
  constexpr int kMostRuns = 100000;
  command
      .add_option("--input", options.inputs, "of an ONNX model: an array for its input, float32; batch first")
      ->type_name("NAME=FILE.npy");
  command
      .add_option("--output", options.output, "of an ONNX model: where its output goes, an .npz of one array")
      ->type_name("FILE.npz");
  command
      .add_option(
          "--policy", options.policy,
          "of an ONNX model: run it in integers, a policy file or uniform:BITS, with scales calibrated on "
          "the arrays given; without one it runs as the file says, in fp32 or under its quantizers")
      ->type_name("POLICY");
  command.add_flag("--bench", options.bench, "of an ONNX model: time it on one thread, on random images");
  command.add_option("--runs", options.runs, fmt::format("of --bench: how many, 1 to {} (20)", kMostRuns))
      ->check(CLI::Range(1, kMostRuns));
}

void infer_onnx(const std::string& file, const OnnxInferOptions& options, int batch, bool json,
                const Streams& streams) {
  if (options.inputs.empty() && !options.bench)
    throw base::UserError("infer: an ONNX model needs --input NAME=FILE.npy, or --bench");
  if (!options.output.empty() && !options.output.ends_with(".npz"))
    throw base::UserError(fmt::format("--output {}: allowed is a name that ends in .npz", options.output));
  onnx::Model model = onnx::read_model(file);
  const Arrays arrays = options.inputs.empty() ? Arrays() : read_inputs(model, options);
  if (arrays.size() == 1 && model.graph.inputs.size() == 1)
    close_dims(model.graph.inputs[0], arrays.begin()->second);
  onnx::ImportedNetwork imported;
  try {
    imported = onnx::import_model(model, file);
  } catch (const base::UserError& error) {
    return evaluate_plainly(model, options, arrays, error.what(), streams);
  }
  trainer::Tensor images;
  if (!arrays.empty()) {
    images = to_tensor(arrays.begin()->second, imported);
  } else {
    images.resize(8, imported.info.nodes.front().output);
    base::Rng rng(2);
    for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  }
  const Deployed deployed(imported, options.policy, images);
  nlohmann::ordered_json object{{"model", file}, {"network", imported.info.name}};
  if (!arrays.empty()) {
    trainer::IntegerNetwork network(deployed.network, deployed.plan, std::min(images.batch(), batch));
    trainer::Tensor logits;
    network.run_all(images, logits);
    if (!options.output.empty())
      base::write_npz(options.output, {{imported.output_name, to_npy(logits, imported.output_layout)}});
    object["images"] = images.batch();
    object["output"] = imported.output_name;
    if (!json)
      streams.out << fmt::format("{}: {} images, output '{}'{}\n", file, images.batch(), imported.output_name,
                                 options.output.empty() ? "" : " in " + options.output);
  }
  if (options.bench) {
    const std::vector<double> ms = bench(deployed, batch, options.runs);
    const double median = ms[ms.size() / 2];
    object["batch"] = batch;
    object["latency_ms"] = {{"runs", ms.size()}, {"min", ms.front()}, {"median", median}, {"max", ms.back()}};
    if (!json)
      streams.out << fmt::format(
          "Latency of a batch of {}, one thread, {} runs: min {:.4f}, median {:.4f}, max {:.4f} ms\n", batch,
          ms.size(), ms.front(), median, ms.back());
  }
  for (const std::string& note : imported.notes) streams.err << "bitsmith: " << note << "\n";
  if (json)
    streams.out << object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace bitsmith::experiments
