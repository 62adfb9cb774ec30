#include <fmt/format.h>

#include "experiments/results_hdf5.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"

namespace bitsmith::experiments {

namespace {

using base::hdf5::File;

/// Writes datasets of one group: columns that share a scale, each with its unit and meaning.
class Table {
 public:
  Table(File& file, std::string group) : file_(file), group_(std::move(group)) { file_.make_group(group_); }

  void strings(const std::string& name, const std::vector<std::string>& values, const char* long_name) {
    file_.write_strings(path(name), values);
    finish(name, "", long_name, {row_scale_});
  }
  template <class T>
  void numbers(const std::string& name, const std::vector<T>& values, const char* unit,
               const char* long_name) {
    file_.write(path(name), values);
    finish(name, unit, long_name, {row_scale_});
  }
  /// rows x columns.size(), row-major.
  template <class T>
  void matrix(const std::string& name, const std::vector<T>& values, std::size_t rows, std::size_t columns,
              const std::string& column_scale, const char* unit, const char* long_name) {
    file_.write(path(name), values, {rows, columns});
    finish(name, unit, long_name, {row_scale_, column_scale});
  }
  /// Makes a column that has been written the scale of those that follow.
  void scale(const std::string& name) {
    file_.make_scale(path(name), name);
    row_scale_ = path(name);
  }
  void rows_are(const std::string& scale) { row_scale_ = scale; }
  std::string path(const std::string& name) const { return group_ + "/" + name; }

 private:
  void finish(const std::string& name, const char* unit, const char* long_name,
              const std::vector<std::string>& scales) {
    file_.set_attribute(path(name), "units", unit);
    file_.set_attribute(path(name), "long_name", long_name);
    for (std::size_t axis = 0; axis < scales.size(); ++axis)
      if (!scales[axis].empty()) file_.attach_scale(path(name), static_cast<int>(axis), scales[axis]);
  }

  File& file_;
  std::string group_, row_scale_;
};

/// One value per row of a list.
template <class Rows, class Get>
auto column(const Rows& rows, Get get) {
  std::vector<std::decay_t<decltype(get(rows.front()))>> values;
  for (const auto& row : rows) values.push_back(get(row));
  return values;
}

const std::string layer_scale = "layers/name";
const std::string metric_scale = "metrics/name";

/// Codes of formats; a policy without layers is a row of zeros.
template <class Rows, class GetPolicy>
std::vector<std::int32_t> bits_matrix(const Rows& rows, std::size_t layers,
                                      quant::Format quant::LayerFormats::*which, GetPolicy get_policy) {
  std::vector<std::int32_t> bits;
  for (const auto& row : rows) {
    const quant::Policy& policy = get_policy(row);
    base::require(policy.layers.empty() || policy.layers.size() == layers,
                  "results: a policy of another network");
    for (std::size_t i = 0; i < layers; ++i)
      bits.push_back(policy.layers.empty() ? 0 : (policy.layers[i].*which).code());
  }
  return bits;
}

template <class Rows, class GetPolicy>
void write_policies(Table& table, const std::string& prefix, const Rows& rows, std::size_t layers,
                    GetPolicy get_policy) {
  table.matrix(
      prefix + "weight_bits", bits_matrix(rows, layers, &quant::LayerFormats::weight, get_policy),
      rows.size(), layers, layer_scale, "bits",
      "weight format per layer: bits of integers; 32 is fp32, 0 no policy, others: see format_codes");
  table.matrix(prefix + "activation_bits",
               bits_matrix(rows, layers, &quant::LayerFormats::activation, get_policy), rows.size(), layers,
               layer_scale, "bits", "input activation bits per layer; 32 is fp32, 0 no policy");
}

void write_provenance(File& file, const RunResults& results) {
  const Provenance& provenance = results.provenance;
  Table table(file, "provenance");
  file.set_attribute("provenance", "version", provenance.version);
  file.set_attribute("provenance", "git", provenance.git);
  file.set_attribute("provenance", "cpu", provenance.cpu);
  file.set_attribute("provenance", "isa", provenance.isa);
  file.set_attribute("provenance", "threads", provenance.threads);
  file.set_attribute("provenance", "seed", provenance.seed);
  file.set_attribute("provenance", "started", provenance.started);
  file.set_attribute("provenance", "finished", provenance.finished);
  file.set_attribute("provenance", "price_table_hash", results.price_table_hash);
  table.strings("library", column(provenance.libraries, [](auto& row) { return row.first; }),
                "library's name");
  table.strings("library_version", column(provenance.libraries, [](auto& row) { return row.second; }),
                "library's version");
  Table stages(file, "stages");
  stages.strings("name", column(results.stages, [](auto& row) { return row.name; }), "stage of the run");
  stages.scale("name");
  stages.numbers("wall_seconds", column(results.stages, [](auto& row) { return row.wall_s; }), "s",
                 "elapsed time");
  stages.numbers("cpu_seconds", column(results.stages, [](auto& row) { return row.cpu_s; }), "s",
                 "processor time of all threads");
}

void write_layers(File& file, const RunResults& results) {
  const auto& rows = results.layers;
  Table table(file, "layers");
  file.set_attribute("layers", "network", results.network);
  table.strings("name", column(rows, [](auto& row) { return row.name; }), "layer's name");
  table.scale("name");
  table.strings("kind", column(rows, [](auto& row) { return std::string(quant::layer_kind_name(row.kind)); }),
                "conv, depthwise or linear");
  const auto shape = [&](const std::string& prefix, const char* long_name,
                         quant::Shape quant::LayerInfo::*which) {
    std::vector<std::int32_t> values;
    for (const quant::LayerInfo& row : rows) {
      const quant::Shape& size = row.*which;
      values.insert(values.end(), {size.channels, size.height, size.width});
    }
    table.matrix(prefix, values, rows.size(), 3, "", "", long_name);
  };
  shape("input_shape", "channels, height, width of the input", &quant::LayerInfo::input);
  shape("output_shape", "channels, height, width of the output", &quant::LayerInfo::output);
  std::vector<std::int32_t> kernel;
  for (const quant::LayerInfo& row : rows)
    kernel.insert(kernel.end(), {row.window.kernel_h, row.window.kernel_w});
  table.matrix("kernel_shape", kernel, rows.size(), 2, "", "", "height, width of the kernel");
  table.numbers("groups", column(rows, [](auto& row) { return std::int32_t{row.groups}; }), "1", "groups");
  table.numbers("weights", column(rows, [](auto& row) { return row.weights(); }), "1", "number of weights");
  table.numbers("macs", column(rows, [](auto& row) { return row.macs(); }), "1",
                "multiply-accumulates per image");
  Table metrics(file, "metrics");
  metrics.strings("name", column(results.metrics, [](auto& row) { return row.name; }),
                  "metric of the hardware");
  metrics.scale("name");
  metrics.strings("unit", column(results.metrics, [](auto& row) { return row.unit; }), "the metric's unit");
}

void write_constraints(File& file, const std::vector<ConstraintResult>& rows) {
  Table table(file, "constraints");
  table.strings("name", column(rows, [](auto& row) { return row.name; }), "constraint as configured");
  table.scale("name");
  table.strings("spec", column(rows, [](auto& row) { return row.spec; }), "bound as configured");
  table.strings("metric", column(rows, [](auto& row) { return row.metric; }), "metric that is bounded");
  table.strings("unit", column(rows, [](auto& row) { return row.unit; }), "unit of limit and value");
  table.numbers("limit", column(rows, [](auto& row) { return row.limit; }), "see unit", "absolute bound");
  table.numbers("value", column(rows, [](auto& row) { return row.value; }), "see unit",
                "what the winner costs");
  table.numbers("met", column(rows, [](auto& row) { return std::uint8_t{row.met}; }), "1",
                "1 where value <= limit");
}

void write_curve(File& file, const std::string& group, const std::vector<TrainingPoint>& rows) {
  Table table(file, group);
  const auto number = [&](const char* name, double TrainingPoint::*which, const char* unit,
                          const char* long_name) {
    table.numbers(name, column(rows, [&](auto& row) { return row.*which; }), unit, long_name);
  };
  number("epoch", &TrainingPoint::epoch, "1", "epochs done");
  table.scale("epoch");
  number("learning_rate", &TrainingPoint::learning_rate, "1", "learning rate of the epoch's last step");
  number("loss", &TrainingPoint::loss, "nat", "mean training loss of the epoch");
  number("accuracy", &TrainingPoint::accuracy, "1",
         "share of the epoch's training images, as they were seen, classified correctly");
  number("validation_loss", &TrainingPoint::validation_loss, "nat",
         "mean cross-entropy on the validation images");
  number("validation_accuracy", &TrainingPoint::validation_accuracy, "1",
         "share of validation images classified correctly");
}

void write_training(File& file, const RunResults& results) {
  write_curve(file, "training", results.training);
  const TrainingSteps& steps = results.training_steps;
  std::vector<std::int64_t> last;
  for (std::size_t i = 1; i <= steps.losses.size(); ++i)
    last.push_back(static_cast<std::int64_t>(i) * steps.stride);
  Table trace(file, "training_steps");
  file.set_attribute("training_steps", "stride", steps.stride);
  trace.numbers("step", last, "1", "steps done");
  trace.scale("step");
  trace.numbers("loss", steps.losses, "nat", "mean training loss of the `stride` steps until then");
}

void write_search(File& file, const std::string& group, const SearchHistory& history,
                  const RunResults& results) {
  const auto& rows = history.episodes;
  const std::size_t layers = results.layers.size();
  const std::size_t metrics = results.metrics.size();
  Table table(file, group);
  file.set_attribute(group, "method", history.method);
  table.numbers("episode", column(rows, [](auto& row) { return std::int32_t{row.episode}; }), "1", "episode");
  table.scale("episode");
  write_policies(
      table, "proposed_", rows, layers, [](auto& row) -> auto& { return row.proposed; });
  write_policies(
      table, "", rows, layers, [](auto& row) -> auto& { return row.policy; });
  table.numbers("accuracy", column(rows, [](auto& row) { return row.evaluation.accuracy; }), "1",
                "share of validation images classified correctly");
  table.numbers("cross_entropy", column(rows, [](auto& row) { return row.evaluation.cross_entropy; }), "nat",
                "mean cross-entropy on the validation images");
  table.numbers("reward", column(rows, [](auto& row) { return row.reward; }), "1", "reward of the episode");
  std::vector<double> costs;
  for (const search::EpisodeRecord& row : rows) {
    base::require(row.costs.size() == metrics, "results: costs of other metrics");
    costs.insert(costs.end(), row.costs.begin(), row.costs.end());
  }
  table.matrix("costs", costs, rows.size(), metrics, metric_scale, "see metrics/unit",
               "predicted costs of the policy");
  table.numbers("cached", column(rows, [](auto& row) { return std::uint8_t{row.cached}; }), "1",
                "1 where the same policy had been evaluated before");
}

void write_methods(File& file, const RunResults& results) {
  const auto& rows = results.methods;
  Table table(file, "methods");
  table.strings("name", column(rows, [](auto& row) { return row.name; }), "method");
  table.scale("name");
  const auto number = [&](const char* name, double MethodSummary::*which, const char* unit,
                          const char* long_name) {
    table.numbers(name, column(rows, [&](auto& row) { return row.*which; }), unit, long_name);
  };
  table.numbers("within_budget", column(rows, [](auto& row) { return std::uint8_t{row.within_budget}; }), "1",
                "1 where the policy meets every constraint");
  number("validation_accuracy", &MethodSummary::validation_accuracy, "1", "share of validation images right");
  number("test_accuracy", &MethodSummary::test_accuracy, "1", "share of test images right");
  number("latency_ms", &MethodSummary::latency_ms, "ms", "predicted latency");
  number("size_kib", &MethodSummary::size_kib, "KiB", "size of the parameters");
  number("gbops", &MethodSummary::gbops, "1e9", "bit operations per image");
  number("mean_weight_bits", &MethodSummary::mean_weight_bits, "bits", "mean over weights");
  number("mean_activation_bits", &MethodSummary::mean_activation_bits, "bits", "mean over input activations");
  table.numbers("evaluations", column(rows, [](auto& row) { return std::int32_t{row.evaluations}; }), "1",
                "policies evaluated to find it, -1 where that does not apply");
  write_policies(
      table, "", rows, results.layers.size(), [](auto& row) -> auto& { return row.policy; });
  file.make_group("finetuning");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string group = fmt::format("finetuning/{}", i);
    write_curve(file, group, rows[i].finetuning);
    file.set_attribute(group, "method", rows[i].name);
  }
}

void write_winner(File& file, const RunResults& results) {
  const Winner& winner = results.winner;
  if (winner.method.empty()) return;
  base::require(winner.policy.layers.size() == results.layers.size(),
                "results: the winner is of another network");
  base::require(winner.layers.size() == results.layers.size(),
                "results: the winner's costs are of another network");
  Table table(file, "winner");
  file.set_attribute("winner", "method", winner.method);
  file.set_attribute("winner", "other_microseconds", winner.other_microseconds);
  file.set_attribute("winner", "measured_other_microseconds", winner.measured_other_microseconds);
  file.set_attribute("winner", "predicted_ms", winner.predicted_ms);
  file.set_attribute("winner", "measured_ms", winner.measured_ms);
  file.set_attribute("winner", "measured_uniform8_ms", winner.measured_uniform8_ms);
  file.set_attribute("winner", "deployed_test_accuracy", winner.deployed_test_accuracy);
  file.set_attribute("winner", "agreement", winner.agreement);
  table.rows_are(layer_scale);
  const auto bits = [&](quant::Format quant::LayerFormats::*which) {
    return column(winner.policy.layers, [&](auto& row) { return std::int32_t{(row.*which).code()}; });
  };
  table.numbers("weight_bits", bits(&quant::LayerFormats::weight), "bits",
                "weight format: bits of integers; 32 is fp32, others: see format_codes");
  table.numbers("activation_bits", bits(&quant::LayerFormats::activation), "bits",
                "input activation bits; 32 is fp32");
  table.strings("kernel", column(winner.layers, [](auto& row) { return row.kernel; }),
                "kernel that was priced");
  table.numbers("microseconds", column(winner.layers, [](auto& row) { return row.microseconds; }), "us",
                "predicted time");
  table.numbers("share", column(winner.layers, [](auto& row) { return row.share; }), "1",
                "share of the network's predicted latency");
  table.numbers("measured_microseconds",
                column(winner.layers, [](auto& row) { return row.measured_microseconds; }), "us",
                "time when executed");
}

/// "601 binary, 603 ternary, ...": what weight_bits mean that are neither bits nor fp32.
std::string format_codes() {
  std::string text;
  for (const quant::Format format : quant::all_formats())
    if (!format.is_integer())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format.code(), format.name());
  return text;
}

}  // namespace

void write_results(const std::filesystem::path& path, const RunResults& results) {
  base::hdf5::write_file(path, [&](File& file) {
    file.set_attribute("/", "Conventions", "bitsmith-results");
    file.set_attribute("/", "schema_version", kResultsSchema);
    file.set_attribute("/", "title", fmt::format("mixed-precision search of {}", results.network));
    file.set_attribute("/", "source", fmt::format("bitsmith {}", results.provenance.version));
    file.set_attribute("/", "history", fmt::format("{} bitsmith run", results.provenance.started));
    file.set_attribute("/", "identity", results.identity);
    file.set_attribute("/", "format_codes", format_codes());
    file.write_text("config", results.config);
    file.set_attribute("config", "units", "");
    file.set_attribute("config", "long_name", "resolved configuration, YAML");
    write_provenance(file, results);
    write_layers(file, results);
    write_constraints(file, results.constraints);
    write_training(file, results);
    file.make_group("searches");
    for (std::size_t i = 0; i < results.searches.size(); ++i)
      write_search(file, fmt::format("searches/{}", i), results.searches[i], results);
    write_methods(file, results);
    write_winner(file, results);
  });
}

}  // namespace bitsmith::experiments
