#include "experiments/config/network.hpp"

namespace bitsmith::experiments {

quant::NetworkInfo build_network(const NetworkOptions& options, quant::Shape input, int classes) {
  return trainer::build_network(options.name, input, classes,
                                {.joins = options.joins, .width = options.width});
}

}  // namespace bitsmith::experiments
