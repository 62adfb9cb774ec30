#pragma once

#include <span>
#include <string>
#include <string_view>

#include "experiments/config/config.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::experiments {

/// Every key with its value: parse_config() of the text gives an equal configuration.
std::string dump_config(const Config& config);
base::YamlNode config_to_yaml(const Config& config);

/// 16 hex digits over every key that can change a result (not output, threads, time limits...): equal
/// identities mean equal results, given the same data, price table and version.
std::string config_identity(const Config& config);

/// The same over the named top-level keys only, e.g. {"seed", "network", "data", "train"}: what a stage's
/// product depends on, so that runs that differ elsewhere may share it.
std::string config_identity(const Config& config, std::span<const std::string_view> keys);

}  // namespace bitsmith::experiments
