#include <fmt/format.h>

#include "experiments/results_hdf5.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"

namespace bitsmith::experiments {

namespace {

using base::hdf5::File;

/// Reads datasets of one group and insists on their lengths.
class Table {
 public:
  Table(const File& file, std::string group) : file_(file), group_(std::move(group)) {}

  /// The column that says how many rows there are.
  std::vector<std::string> first_strings(const std::string& name) {
    auto values = file_.read_strings(path(name));
    rows_ = values.size();
    return values;
  }
  template <class T>
  std::vector<T> first_numbers(const std::string& name) {
    auto array = file_.read<T>(path(name));
    rows_ = array.values.size();
    check(name, array.extents, {rows_});
    return std::move(array.values);
  }
  void rows_are(std::size_t rows) { rows_ = rows; }
  std::vector<std::string> strings(const std::string& name) const {
    auto values = file_.read_strings(path(name));
    check(name, {values.size()}, {rows_});
    return values;
  }
  template <class T>
  std::vector<T> numbers(const std::string& name) const {
    auto array = file_.read<T>(path(name));
    check(name, array.extents, {rows_});
    return std::move(array.values);
  }
  template <class T>
  std::vector<T> matrix(const std::string& name, std::size_t columns) const {
    auto array = file_.read<T>(path(name));
    check(name, array.extents, {rows_, columns});
    return std::move(array.values);
  }
  quant::Format format(int code) const {
    const auto found = quant::format_of_code(code);
    if (!found)
      throw base::UserError(
          fmt::format("{}: a layer has a format of the unknown code {}; the file is damaged",
                      file_.path().string(), code));
    return *found;
  }
  std::vector<quant::Policy> policies(const std::string& prefix, std::size_t layers) const {
    const auto weight = matrix<std::int32_t>(prefix + "weight_bits", layers);
    const auto activation = matrix<std::int32_t>(prefix + "activation_bits", layers);
    std::vector<quant::Policy> list(rows_);
    for (std::size_t row = 0; row < rows_; ++row) {
      if (layers == 0 || weight[row * layers] == 0) continue;
      for (std::size_t i = row * layers; i < (row + 1) * layers; ++i)
        list[row].layers.push_back({format(weight[i]), format(activation[i])});
    }
    return list;
  }
  std::size_t rows() const { return rows_; }
  std::string text(const std::string& attribute) const { return file_.string_attribute(group_, attribute); }
  int integer(const std::string& attribute) const {
    return static_cast<int>(file_.int_attribute(group_, attribute));
  }
  double number(const std::string& attribute) const { return file_.double_attribute(group_, attribute); }

 private:
  std::string path(const std::string& name) const { return group_ + "/" + name; }
  void check(const std::string& name, const base::hdf5::Extents& got,
             const base::hdf5::Extents& expected) const {
    if (got == expected) return;
    const auto shown = [](const base::hdf5::Extents& extents) {
      return fmt::format("[{}]", fmt::join(extents, ", "));
    };
    throw base::UserError(fmt::format("{}: {} has the shape {}, expected {}; the file is damaged",
                                      file_.path().string(), path(name), shown(got), shown(expected)));
  }

  const File& file_;
  std::string group_;
  std::size_t rows_ = 0;
};

quant::LayerKind layer_kind(const File& file, const std::string& name) {
  for (const quant::LayerKind kind :
       {quant::LayerKind::conv, quant::LayerKind::depthwise, quant::LayerKind::linear})
    if (quant::layer_kind_name(kind) == name) return kind;
  throw base::UserError(
      fmt::format("{}: layers/kind has '{}', allowed: conv, depthwise, linear", file.path().string(), name));
}

void read_provenance(const File& file, RunResults& results) {
  Table table(file, "provenance");
  Provenance& provenance = results.provenance;
  provenance.version = table.text("version");
  provenance.git = table.text("git");
  provenance.cpu = table.text("cpu");
  provenance.isa = table.text("isa");
  provenance.threads = table.integer("threads");
  provenance.seed = table.integer("seed");
  provenance.started = table.text("started");
  provenance.finished = table.text("finished");
  results.price_table_hash = table.text("price_table_hash");
  const auto names = table.first_strings("library");
  const auto versions = table.strings("library_version");
  for (std::size_t i = 0; i < names.size(); ++i) provenance.libraries.emplace_back(names[i], versions[i]);
  Table stages(file, "stages");
  const auto stage_names = stages.first_strings("name");
  const auto wall = stages.numbers<double>("wall_seconds");
  const auto cpu = stages.numbers<double>("cpu_seconds");
  for (std::size_t i = 0; i < stage_names.size(); ++i)
    results.stages.push_back({stage_names[i], wall[i], cpu[i]});
}

void read_layers(const File& file, RunResults& results) {
  Table table(file, "layers");
  results.network = table.text("network");
  const auto names = table.first_strings("name");
  const auto kinds = table.strings("kind");
  const auto input = table.matrix<std::int32_t>("input_shape", 3);
  const auto output = table.matrix<std::int32_t>("output_shape", 3);
  const auto kernel = table.matrix<std::int32_t>("kernel_shape", 2);
  const auto groups = table.numbers<std::int32_t>("groups");
  for (std::size_t i = 0; i < names.size(); ++i) {
    quant::LayerInfo layer;
    layer.name = names[i];
    layer.kind = layer_kind(file, kinds[i]);
    layer.input = {input[3 * i], input[3 * i + 1], input[3 * i + 2]};
    layer.output = {output[3 * i], output[3 * i + 1], output[3 * i + 2]};
    layer.window.kernel_h = kernel[2 * i];
    layer.window.kernel_w = kernel[2 * i + 1];
    layer.groups = groups[i];
    if (layer.groups < 1)
      throw base::UserError(
          fmt::format("{}: layers/groups has {}, allowed: at least 1", file.path().string(), layer.groups));
    results.layers.push_back(std::move(layer));
  }
  Table metrics(file, "metrics");
  const auto metric_names = metrics.first_strings("name");
  const auto units = metrics.strings("unit");
  for (std::size_t i = 0; i < units.size(); ++i) results.metrics.push_back({metric_names[i], units[i]});
}

void read_constraints(const File& file, RunResults& results) {
  Table table(file, "constraints");
  const auto names = table.first_strings("name");
  const auto specs = table.strings("spec");
  const auto metrics = table.strings("metric");
  const auto units = table.strings("unit");
  const auto limits = table.numbers<double>("limit");
  const auto values = table.numbers<double>("value");
  const auto met = table.numbers<std::uint8_t>("met");
  for (std::size_t i = 0; i < names.size(); ++i)
    results.constraints.push_back(
        {names[i], specs[i], metrics[i], units[i], limits[i], values[i], met[i] != 0});
}

std::vector<TrainingPoint> read_curve(const File& file, std::int64_t schema, const std::string& group) {
  Table table(file, group);
  std::vector<TrainingPoint> curve;
  for (const double epoch : table.first_numbers<double>("epoch")) curve.push_back({epoch});
  const auto number = [&](const char* name, double TrainingPoint::*which) {
    const auto values = table.numbers<double>(name);
    for (std::size_t i = 0; i < values.size(); ++i) curve[i].*which = values[i];
  };
  number("loss", &TrainingPoint::loss);
  number("validation_accuracy", &TrainingPoint::validation_accuracy);
  if (schema < 4) return curve;
  number("learning_rate", &TrainingPoint::learning_rate);
  number("accuracy", &TrainingPoint::accuracy);
  number("validation_loss", &TrainingPoint::validation_loss);
  return curve;
}

void read_training(const File& file, std::int64_t schema, RunResults& results) {
  results.training = read_curve(file, schema, "training");
  if (schema < 4) return;
  Table steps(file, "training_steps");
  results.training_steps = {steps.integer("stride"), steps.first_numbers<float>("loss")};
}

SearchHistory read_search(const File& file, const std::string& group, const RunResults& results) {
  Table table(file, group);
  SearchHistory history{table.text("method"), {}};
  const std::size_t metrics = results.metrics.size();
  const auto episodes = table.first_numbers<std::int32_t>("episode");
  auto proposed = table.policies("proposed_", results.layers.size());
  auto policies = table.policies("", results.layers.size());
  const auto accuracy = table.numbers<double>("accuracy");
  const auto cross_entropy = table.numbers<double>("cross_entropy");
  const auto reward = table.numbers<double>("reward");
  const auto costs = table.matrix<double>("costs", metrics);
  const auto cached = table.numbers<std::uint8_t>("cached");
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    search::EpisodeRecord record;
    record.episode = episodes[i];
    record.proposed = std::move(proposed[i]);
    record.policy = std::move(policies[i]);
    record.evaluation = {accuracy[i], cross_entropy[i]};
    record.reward = reward[i];
    record.costs.assign(costs.begin() + static_cast<std::ptrdiff_t>(i * metrics),
                        costs.begin() + static_cast<std::ptrdiff_t>((i + 1) * metrics));
    record.cached = cached[i] != 0;
    history.episodes.push_back(std::move(record));
  }
  return history;
}

void read_methods(const File& file, std::int64_t schema, RunResults& results) {
  Table table(file, "methods");
  const auto names = table.first_strings("name");
  for (const std::string& name : names) results.methods.emplace_back().name = name;
  const auto number = [&](const char* name, double MethodSummary::*which) {
    const auto values = table.numbers<double>(name);
    for (std::size_t i = 0; i < values.size(); ++i) results.methods[i].*which = values[i];
  };
  number("validation_accuracy", &MethodSummary::validation_accuracy);
  number("test_accuracy", &MethodSummary::test_accuracy);
  number("latency_ms", &MethodSummary::latency_ms);
  number("size_kib", &MethodSummary::size_kib);
  number("gbops", &MethodSummary::gbops);
  number("mean_weight_bits", &MethodSummary::mean_weight_bits);
  number("mean_activation_bits", &MethodSummary::mean_activation_bits);
  const auto within = table.numbers<std::uint8_t>("within_budget");
  const auto evaluations = table.numbers<std::int32_t>("evaluations");
  auto policies = table.policies("", results.layers.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    results.methods[i].within_budget = within[i] != 0;
    results.methods[i].evaluations = evaluations[i];
    results.methods[i].policy = std::move(policies[i]);
    if (schema >= 4)
      results.methods[i].finetuning = read_curve(file, schema, fmt::format("finetuning/{}", i));
  }
}

void read_winner(const File& file, std::int64_t schema, RunResults& results) {
  if (!file.is_group("winner")) return;  // a run that was stopped before
  Table table(file, "winner");
  table.rows_are(results.layers.size());
  Winner& winner = results.winner;
  winner.method = table.text("method");
  winner.other_microseconds = table.number("other_microseconds");
  const auto weight = table.numbers<std::int32_t>("weight_bits");
  const auto activation = table.numbers<std::int32_t>("activation_bits");
  const auto kernel = table.strings("kernel");
  const auto microseconds = table.numbers<double>("microseconds");
  const auto share = table.numbers<double>("share");
  for (std::size_t i = 0; i < weight.size(); ++i) {
    winner.policy.layers.push_back({table.format(weight[i]), table.format(activation[i])});
    winner.layers.push_back({kernel[i], microseconds[i], share[i], kUnknown});
  }
  if (schema < 2) return;
  winner.measured_other_microseconds = table.number("measured_other_microseconds");
  winner.predicted_ms = table.number("predicted_ms");
  winner.measured_ms = table.number("measured_ms");
  winner.measured_uniform8_ms = table.number("measured_uniform8_ms");
  winner.deployed_test_accuracy = table.number("deployed_test_accuracy");
  winner.agreement = table.number("agreement");
  const auto measured = table.numbers<double>("measured_microseconds");
  for (std::size_t i = 0; i < measured.size(); ++i) winner.layers[i].measured_microseconds = measured[i];
}

bool is_ours(const File& file) {
  return file.has_attribute("/", "Conventions") && file.has_attribute("/", "schema_version") &&
         file.string_attribute("/", "Conventions") == "bitsmith-results";
}

}  // namespace

bool is_results_file(const std::filesystem::path& path) {
  try {
    return is_ours(File::open(path));
  } catch (const base::UserError&) {
    return false;
  }
}

RunResults read_results(const std::filesystem::path& path) {
  const File file = File::open(path);
  if (!is_ours(file)) throw base::UserError(path.string() + ": an HDF5 file, but not results of bitsmith");
  const std::int64_t schema = file.int_attribute("/", "schema_version");
  if (schema < 1 || schema > kResultsSchema)
    throw base::UserError(
        fmt::format("{}: schema version {}, this program reads 1 to {}; use a newer bitsmith", path.string(),
                    schema, kResultsSchema));
  RunResults results;
  results.identity = file.string_attribute("/", "identity");
  results.config = file.read_text("config");
  read_provenance(file, results);
  read_layers(file, results);
  read_constraints(file, results);
  read_training(file, schema, results);
  for (const std::string& name : file.children("searches"))
    results.searches.push_back(read_search(file, "searches/" + name, results));
  read_methods(file, schema, results);
  read_winner(file, schema, results);
  return results;
}

}  // namespace bitsmith::experiments
