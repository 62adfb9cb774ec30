#include "experiments/pipeline/unfinished_run.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "experiments/config/dump.hpp"
#include "experiments/config/load.hpp"
#include "experiments/results_hdf5.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::experiments {
namespace {

/// Leaves by dotted path, as text.
void flatten(const base::YamlNode& node, const std::string& path,
             std::map<std::string, std::string>& leaves) {
  if (node.is_map()) {
    for (const auto& entry : node.entries)
      flatten(entry.value, path.empty() ? entry.key : path + "." + entry.key, leaves);
  } else if (node.is_sequence()) {
    std::string text;
    for (const auto& item : node.items) text += (text.empty() ? "" : ", ") + item.text;
    leaves[path] = "[" + text + "]";
  } else {
    leaves[path] = node.is_null() ? "nothing" : node.text;
  }
}

std::string differences(const Config& before, const Config& now) {
  std::map<std::string, std::string> old_leaves, new_leaves;
  flatten(config_to_yaml(before), "", old_leaves);
  flatten(config_to_yaml(now), "", new_leaves);
  std::set<std::string> paths;
  for (const auto& [path, value] : old_leaves) paths.insert(path);
  for (const auto& [path, value] : new_leaves) paths.insert(path);
  std::string text;
  for (const std::string& path : paths) {
    const auto value = [&](const auto& leaves) {
      const auto found = leaves.find(path);
      return found == leaves.end() ? std::string("nothing") : found->second;
    };
    if (path == "output" || path == "threads" || value(old_leaves) == value(new_leaves)) continue;
    text += fmt::format("\n  {}: was {}, is {}", path, value(old_leaves), value(new_leaves));
  }
  return text;
}

Config earlier_config(const Workspace& workspace) {
  try {
    return parse_config(base::read_file(workspace.config()), workspace.config().string());
  } catch (const base::UserError& error) {
    throw base::UserError(fmt::format(
        "{}: the unfinished run's own record of its configuration is damaged; begin anew with --fresh ({})",
        workspace.config().string(), error.what()));
  }
}

}  // namespace

void claim_workspace(const Config& config, Workspace& workspace, bool resume, bool fresh) {
  if (std::filesystem::exists(workspace.config()) && !fresh) {
    const Config before = earlier_config(workspace);
    const bool same = config_identity(before) == config_identity(config);
    const bool has_episodes = workspace.has_journals();
    if (same && (resume || !has_episodes)) return;
    if (has_episodes && resume)
      throw base::UserError(
          fmt::format("{}: cannot go on with this unfinished run, its configuration is another "
                      "one:{}\ngive the old values back, or begin anew with --fresh",
                      workspace.folder().string(), differences(before, config)));
    if (has_episodes)
      throw base::UserError(
          fmt::format("{}: holds an unfinished run{}; go on with it with --resume, or throw it away with "
                      "--fresh",
                      workspace.folder().string(), same ? "" : " of another configuration"));
    // Without episodes nothing is lost: trainings and latencies know themselves what they are good for.
  }
  workspace.forget_run();
  base::replace_file(workspace.config(), dump_config(config));
}

std::optional<RunResults> finished_results(const Config& config, const Workspace& workspace) {
  if (std::filesystem::exists(workspace.config()) || !std::filesystem::exists(config.output))
    return std::nullopt;
  RunResults results = read_results(config.output);
  const Config of_results = parse_config(results.config, config.output);
  if (config_identity(of_results) != config_identity(config)) return std::nullopt;
  return results;
}

}  // namespace bitsmith::experiments
