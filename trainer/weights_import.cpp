#include "trainer/weights_import.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"

namespace bitsmith::trainer {
namespace {

// One array that the network wants, and where it goes.
struct Target {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<float>* values;
};

std::vector<Target> targets_of(Network& network) {
  std::vector<Target> targets;
  for (Parameter& p : network.parameters())
    targets.push_back({p.name, {p.shape.begin(), p.shape.end()}, &p.value});
  for (Buffer& b : network.buffers())
    if (!b.name.ends_with(".scale"))  // calibration finds these
      targets.push_back({b.name, {b.value.size()}, &b.value});
  return targets;
}

std::string show(const std::vector<std::uint64_t>& shape) {
  return shape.empty() ? "a scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

// Why `values` cannot be taken, or nothing.
std::string objection(const Target& target, const std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return fmt::format("'{}': value {} is {}", target.name, i, values[i]);
    if (values[i] < 0 && target.name.ends_with(".running_var"))
      return fmt::format("'{}': value {} is {}, but variances are not negative", target.name, i, values[i]);
  }
  return {};
}

}  // namespace

void import_weights(const std::filesystem::path& path, Network& network) {
  const auto arrays = base::read_npz(path);
  const std::vector<Target> targets = targets_of(network);
  std::vector<std::string> wanted, unknown, problems;
  for (const Target& target : targets) wanted.push_back(target.name);
  for (const auto& [name, array] : arrays)
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end() &&
        !name.ends_with(".num_batches_tracked"))
      unknown.push_back(name);

  std::vector<std::vector<float>> values(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    const auto found = arrays.find(target.name);
    if (found == arrays.end()) {
      problems.push_back(fmt::format("'{}' ({}) is missing", target.name, show(target.shape)));
    } else if (found->second.shape != target.shape) {
      problems.push_back(fmt::format("'{}' is {}, but network '{}' needs {}", target.name,
                                     show(found->second.shape), network.info().name, show(target.shape)));
    } else {
      values[i] = found->second.floats();
      if (std::string what = objection(target, values[i]); !what.empty()) problems.push_back(std::move(what));
    }
  }
  for (const std::string& name : unknown)
    problems.push_back(fmt::format("'{}' is unknown to network '{}'{}", name, network.info().name,
                                   base::did_you_mean(name, wanted)));
  if (!problems.empty())
    throw base::UserError(fmt::format("{}: cannot be loaded into network '{}':\n  {}", path.string(),
                                      network.info().name, fmt::join(problems, "\n  ")));
  for (std::size_t i = 0; i < targets.size(); ++i) *targets[i].values = std::move(values[i]);
}

}  // namespace bitsmith::trainer
