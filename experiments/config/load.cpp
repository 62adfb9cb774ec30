#include "experiments/config/load.hpp"

#include <sstream>

#include "experiments/config/field_reader.hpp"
#include "experiments/config/fields.hpp"
#include "experiments/config/network.hpp"
#include "experiments/config/rules.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/networks/description.hpp"
#include "trainer/onnx/file.hpp"

namespace bitsmith::experiments {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;

/// Results bring the text with them; the file may have changed since.
void read_description(NetworkOptions& network, Places& places) {
  if (network.file.empty() || places.has_problem("network.file")) return;
  try {
    if (network.description.empty()) network.description = base::read_file(network.file, kMostBytes);
    trainer::read_network(network.description, network.file);
  } catch (const base::UserError& error) {
    std::istringstream lines(error.what());
    for (std::string line; std::getline(lines, line);) places.problem("network.file", line);
  }
}

/// Results bring the hash with them; whoever builds the network compares it with the file's.
void identify_model(NetworkOptions& network, Places& places) {
  if (network.model.empty() || !network.description.empty() || places.has_problem("network.model")) return;
  try {
    network.description = model_identity(trainer::onnx::read_model(network.model));
  } catch (const base::UserError& error) {
    std::istringstream lines(error.what());
    for (std::string line; std::getline(lines, line);) places.problem("network.model", line);
  }
}

/// A network that comes trained is searched without training, unless something else is said.
void set_defaults_of_imports(Config& config, const Places& places) {
  if (config.network.model.empty()) return;
  if (!places.given("evaluator.finetune_steps")) config.evaluator.builtin.finetune_steps = 0;
  if (!places.given("search.tied_activations"))
    config.search.tied_activations = search::TiedActivations::tensor;
  if (config.network.trained && !places.given("finetune.epochs")) config.finetune.epochs = 0;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& name, std::span<const std::string> overrides) {
  const ConfigSource source(text, name, overrides);
  Places places(source);
  const base::YamlNode& root = source.root();
  if (!root.is_map() && !root.is_null()) {
    places.problem(root.mark, "",
                   "got " + root.described() + ", allowed: a map of the keys that `bitsmith describe` lists");
    places.throw_problems();
  }
  Config config;
  FieldReader reader(root, places);
  visit_fields(reader, config);
  reader.finish();
  // A user's program need not give a cross-entropy.
  if (!config.evaluator.program.command.empty() && !places.given("search.reward"))
    config.search.reward = search::RewardKind::accuracy;
  set_defaults_of_imports(config, places);
  check_rules(config, places);
  read_description(config.network, places);
  identify_model(config.network, places);
  places.throw_problems();
  return config;
}

Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides) {
  Config config = parse_config(base::read_file(file, kMostBytes), file.string(), overrides);
  if (config.output.empty()) config.output = "results/" + file.stem().string() + ".h5";
  return config;
}

}  // namespace bitsmith::experiments
