#include "experiments/config/network.hpp"

#include "trainer/networks/description.hpp"

namespace bitsmith::experiments {

quant::NetworkInfo build_network(const NetworkOptions& options, quant::Shape input, int classes) {
  if (!options.file.empty())
    return trainer::build_network(trainer::read_network(options.description, options.file), input, classes,
                                  options.joins);
  return trainer::build_network(options.name, input, classes,
                                {.joins = options.joins, .width = options.width});
}

}  // namespace bitsmith::experiments
