#pragma once

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hwmodels/bops_model.hpp"
#include "hwmodels/cost_model.hpp"
#include "hwmodels/size_model.hpp"
#include "quant/base/error.hpp"
#include "quant/network_info.hpp"
#include "search/action_space.hpp"
#include "search/evaluator.hpp"

/// Networks, prices and evaluators that need no training: what the tests of a search have in common.
namespace bitsmith::search::toy {

/// A chain of 3x3 convolutions with batch norm and ReLU, then a linear layer; `convolutions` >= 1.
inline quant::NetworkInfo chain(int convolutions, int channels = 8) {
  quant::NetworkBuilder builder("chain", {3, 8, 8});
  int x = builder.input();
  for (int i = 0; i < convolutions; ++i) {
    const std::string name = "conv" + std::to_string(i + 1);
    x = builder.conv(name, x, channels * (1 + i % 3), quant::Window::square(3, 1, 1));
    x = builder.batch_norm(name + ".bn", x);
    x = builder.relu(name + ".relu", x);
  }
  x = builder.flatten("flatten", builder.global_average_pool("pool", x));
  builder.linear("fc", x, 10);
  return std::move(builder).build();
}

/// Size and bit operations of real models.
inline std::vector<std::unique_ptr<hwmodels::CostModel>> size_and_bops() {
  std::vector<std::unique_ptr<hwmodels::CostModel>> models;
  models.push_back(std::make_unique<hwmodels::SizeModel>(quant::Granularity::channel));
  models.push_back(std::make_unique<hwmodels::BopsModel>());
  return models;
}

/// One metric from a function of the policy; may be costly, and counts how often it is asked.
class FunctionModel : public hwmodels::CostModel {
 public:
  using Function = std::function<double(const quant::Policy&)>;
  FunctionModel(std::string metric, Function function, bool cheap = true, bool is_sum = false)
      : metric_{std::move(metric), "u"}, function_(std::move(function)), cheap_(cheap), is_sum_(is_sum) {}
  std::string name() const override { return "function"; }
  std::span<const hwmodels::Metric> metrics() const override { return {&metric_, 1}; }
  hwmodels::Cost price(const quant::NetworkInfo&, const quant::Policy& policy) const override {
    ++asked;
    hwmodels::Cost cost;
    cost.totals = {function_(policy)};
    return cost;
  }
  bool is_cheap() const override { return cheap_; }
  bool is_sum_over_layers() const override { return is_sum_; }
  std::string fingerprint() const override { return "function"; }

  mutable std::atomic<int> asked = 0;

 private:
  hwmodels::Metric metric_;
  Function function_;
  bool cheap_, is_sum_;
};

/// Accuracy that falls with every bit taken away, by a share that differs from layer to layer: sensitivity *
/// 4^-bits, the growth of quantization noise. Separable, so the best policy within a budget could be planned.
class SeparableEvaluator : public AccuracyEvaluator {
 public:
  explicit SeparableEvaluator(const quant::NetworkInfo& network) {
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      // Alternately tough and delicate layers; weights and activations differ too.
      weight_.push_back(i % 3 == 0 ? 4.0 : i % 3 == 1 ? 0.3 : 0.05);
      activation_.push_back(i % 2 == 0 ? 0.1 : 1.5);
    }
  }
  Evaluation evaluate(const quant::Policy& policy) override {
    ++asked;
    double loss = 0;
    for (std::size_t i = 0; i < policy.layers.size(); ++i) {
      loss += weight_[i] * std::pow(4.0, -policy.layers[i].weight.effective_bits());
      loss += activation_[i] * std::pow(4.0, -policy.layers[i].activation.effective_bits());
    }
    return {0.9 * std::exp(-loss), 0.1 + loss};
  }
  std::string fingerprint() const override { return "separable"; }

  std::atomic<int> asked = 0;

 private:
  std::vector<double> weight_, activation_;
};

/// The message of the UserError that `action` throws, or "(no error)".
template <typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "(no error)";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace bitsmith::search::toy
