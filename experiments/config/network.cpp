#include "experiments/config/network.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "quant/integer_joins.hpp"
#include "trainer/networks/description.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/onnx/import.hpp"

namespace bitsmith::experiments {
namespace {

quant::NetworkInfo imported(const NetworkOptions& options, quant::Shape input, int classes) {
  const trainer::onnx::Model model = trainer::onnx::read_model(options.model);
  const std::string identity = model_identity(model);
  if (!options.description.empty() && identity != options.description)
    throw base::UserError(fmt::format("{}: it is another model now ({}) than it was ({})", options.model,
                                      identity, options.description));
  const quant::NetworkInfo info = trainer::onnx::import_model(model, options.model, input).info;
  const quant::Shape& output = info.nodes.back().output;
  if (output.pixels() != 1 || output.channels < classes)
    throw base::UserError(
        fmt::format("{}: it gives {}x{}x{} values for {} classes; a classifier gives one for each",
                    options.model, output.channels, output.height, output.width, classes));
  return options.joins == trainer::Joins::int8 ? quant::with_integer_joins(info) : info;
}

}  // namespace

std::string model_identity(const trainer::onnx::Model& model) {
  return fmt::format("onnx {:016x}", trainer::onnx::content_hash(model));
}

quant::NetworkInfo build_network(const NetworkOptions& options, quant::Shape input, int classes) {
  if (!options.model.empty()) return imported(options, input, classes);
  if (!options.file.empty())
    return trainer::build_network(trainer::read_network(options.description, options.file), input, classes,
                                  options.joins);
  return trainer::build_network(options.name, input, classes,
                                {.joins = options.joins, .width = options.width});
}

}  // namespace bitsmith::experiments
