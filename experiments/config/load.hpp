#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "experiments/config/config.hpp"
#include "experiments/config/source.hpp"

namespace bitsmith::experiments {

/// Reads and checks a whole configuration; nothing else has happened when it throws ConfigError with every
/// problem at once: "file:line:column: dotted.path: got ..., allowed ...". `overrides` are the arguments of
/// --set.
Config parse_config(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides = {});

/// The same from a file. `output`, when it is not given, becomes results/NAME.h5 for NAME.yaml.
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});

}  // namespace bitsmith::experiments
