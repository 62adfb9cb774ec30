#pragma once

#include <string>
#include <utility>
#include <vector>

#include "experiments/config/config.hpp"

namespace bitsmith::experiments {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// What the file of an imported network calls its input and output, and says of itself.
struct ImportedNames {
  std::string input = "input", output = "output";
  NamedTexts metadata;
};

/// Writes the names down in a deployed model's provenance, so that it is exported under them without the
/// file.
void keep_names(const NetworkOptions& network, NamedTexts& provenance);

/// Takes them out again; the defaults where there are none.
ImportedNames take_names(NamedTexts& provenance);

}  // namespace bitsmith::experiments
