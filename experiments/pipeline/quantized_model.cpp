#include "experiments/pipeline/quantized_model.hpp"

#include "experiments/config/dump.hpp"
#include "experiments/pipeline/imported_names.hpp"
#include "hwmodels/provenance.hpp"

namespace bitsmith::experiments {

trainer::DeployedModel quantized_model(const trainer::Network& network, const quant::Plan& plan,
                                       const Config& config, const trainer::Data& data,
                                       const std::string& method) {
  trainer::DeployedModel model = trainer::deploy(network, plan);
  model.input = data.input_form();
  const hwmodels::Provenance here = hwmodels::current_provenance();
  model.provenance = {{"program", "bitsmith " + here.program},
                      {"cpu", here.cpu},
                      {"isa", here.isa},
                      {"identity", config_identity(config)},
                      {"method", method}};
  keep_names(config.network, model.provenance);
  return model;
}

}  // namespace bitsmith::experiments
