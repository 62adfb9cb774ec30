#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "search/budget.hpp"
#include "tests/search/toy.hpp"

/// Budgets without a search around them.
namespace bitsmith::search::toy {

using Models = std::vector<std::unique_ptr<hwmodels::CostModel>>;

/// Network, choices and models that live together; pinned first and last layers at 8 bits unless told
/// otherwise.
struct House {
  quant::NetworkInfo network;
  ActionSpace space;
  hwmodels::CostModels models;

  explicit House(int convolutions, SearchOptions options = {}, Models all = size_and_bops(), int pinned = 8)
      : network(chain(convolutions)), space(network, options, pin(pinned)), models(std::move(all)) {}

  static quant::QuantizationOptions pin(int bits) {
    quant::QuantizationOptions options;
    options.first_layer_bits = options.last_layer_bits = bits;
    return options;
  }
  Budget budget(std::vector<ConstraintSpec> specs) const {
    return Budget(network, space, models, resolve(specs, network, space, models));
  }
  std::string refusal(std::vector<ConstraintSpec> specs) const {
    return message_of([&] { budget(specs); });
  }
};

inline SearchOptions few_bits() {
  SearchOptions options;
  options.weight_bits = {2, 4, 8};
  options.activation_bits = {2, 4, 8};
  return options;
}

inline Models one(std::string metric, FunctionModel::Function function, bool cheap = true) {
  Models models;
  models.push_back(std::make_unique<FunctionModel>(std::move(metric), std::move(function), cheap));
  return models;
}

inline int asked(const House& house) {
  return static_cast<const FunctionModel&>(*house.models.models()[0]).asked;
}

}  // namespace bitsmith::search::toy
