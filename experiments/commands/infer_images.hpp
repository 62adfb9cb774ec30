#pragma once

#include <string>
#include <vector>

#include "trainer/data/data_part.hpp"
#include "trainer/deployed_model.hpp"

namespace CLI {
class App;
}

namespace bitsmith::experiments {

/// The images that `infer` runs a deployed model on, as they are named on the command line.
struct InferImages {
  std::vector<std::string> data;
  std::string format;  ///< empty: by what `data` are
  std::string layout = "nchw";
};

void add_infer_images_options(CLI::App& command, InferImages& images);

/// Reads them and does to them what the model's input asks for. `path` is the model's, for messages. Throws
/// UserError for files that cannot be read, and images that are not what the model takes.
trainer::DataPart load_images(const InferImages& images, const trainer::DeployedModel& model,
                              const std::string& path);

}  // namespace bitsmith::experiments
