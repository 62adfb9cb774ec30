#include "trainer/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"
#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {
namespace {

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value < high))
    throw base::UserError(fmt::format("{}: got {}, allowed is {} <= value < {}", name, value, low, high));
}

class Sgd : public Optimizer {
 public:
  explicit Sgd(const TrainOptions& options)
      : momentum_(static_cast<float>(options.momentum)),
        decay_(static_cast<float>(options.weight_decay)),
        nesterov_(options.nesterov) {
    check_range("momentum", options.momentum, 0.0, 1.0);
  }

  void step(std::vector<Parameter>& parameters, double learning_rate) override {
    fit(parameters, false);
    const bool first = state_.steps == 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Parameter& p = parameters[i];
      passes().sgd(p.value.data(), p.gradient.data(), state_.first[i].data(),
                   static_cast<std::int64_t>(p.value.size()), static_cast<float>(learning_rate), momentum_,
                   p.decays ? decay_ : 0.0f, nesterov_, first);
    }
    ++state_.steps;
  }

 private:
  float momentum_, decay_;
  bool nesterov_;
};

class Adam : public Optimizer {
 public:
  explicit Adam(const TrainOptions& options)
      : beta1_(options.beta1), beta2_(options.beta2), decay_(static_cast<float>(options.weight_decay)) {
    check_range("beta1", beta1_, 0.0, 1.0);
    check_range("beta2", beta2_, 0.0, 1.0);
  }

  void step(std::vector<Parameter>& parameters, double learning_rate) override {
    constexpr float kEpsilon = 1e-8f;
    fit(parameters, true);
    ++state_.steps;
    const auto t = static_cast<double>(state_.steps);
    const auto correction1 = static_cast<float>(1.0 - std::pow(beta1_, t));
    const auto correction2 = static_cast<float>(1.0 - std::pow(beta2_, t));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Parameter& p = parameters[i];
      passes().adam(p.value.data(), p.gradient.data(), state_.first[i].data(), state_.second[i].data(),
                    static_cast<std::int64_t>(p.value.size()), static_cast<float>(learning_rate),
                    static_cast<float>(beta1_), static_cast<float>(beta2_), p.decays ? decay_ : 0.0f,
                    kEpsilon, correction1, correction2);
    }
  }

 private:
  double beta1_, beta2_;
  float decay_;
};

void fit_list(std::vector<std::vector<float>>& list, const std::vector<Parameter>& parameters) {
  if (list.empty())
    for (const Parameter& parameter : parameters) list.emplace_back(parameter.value.size(), 0.0f);
  bool fits = list.size() == parameters.size();
  for (std::size_t i = 0; fits && i < list.size(); ++i) fits = list[i].size() == parameters[i].value.size();
  if (!fits)
    throw base::UserError("the optimiser's saved state belongs to another network or another optimiser");
}

}  // namespace

void Optimizer::fit(const std::vector<Parameter>& parameters, bool second_moments) {
  fit_list(state_.first, parameters);
  if (second_moments) fit_list(state_.second, parameters);
}

std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options) {
  if (!(options.learning_rate >= 0.0 && std::isfinite(options.learning_rate)))
    throw base::UserError(fmt::format("learning_rate: got {}, allowed is 0 and more", options.learning_rate));
  if (!(options.weight_decay >= 0.0 && std::isfinite(options.weight_decay)))
    throw base::UserError(fmt::format("weight_decay: got {}, allowed is 0 and more", options.weight_decay));
  switch (options.optimizer) {
    case OptimizerKind::sgd:
      return std::make_unique<Sgd>(options);
    case OptimizerKind::adam:
      return std::make_unique<Adam>(options);
  }
  throw base::InternalError("make_optimizer: unknown kind");
}

}  // namespace bitsmith::trainer
