#include "trainer/integer_evaluation.hpp"

#include <algorithm>

#include "quant/base/parallel.hpp"
#include "quant/plan.hpp"
#include "trainer/deployed_model.hpp"
#include "trainer/parts.hpp"
#include "trainer/qat/activation_method.hpp"

namespace bitsmith::trainer {
namespace {

/// Images that one network takes at a time: few, so that what a step writes is in the cache for the next.
constexpr int kBatch = 8;

quant::Policy policy_of(const Network& network) {
  quant::Policy policy;
  for (std::size_t i = 0; i < network.info().layers.size(); ++i) {
    const LayerQuantization& q = network.quantization(static_cast<int>(i));
    policy.layers.push_back({q.weight_format, quant::Format(q.activation_bits)});
  }
  return policy;
}

}  // namespace

bool IntegerEvaluation::serves(const Network& network) {
  if (network.arithmetic().forward != ForwardArithmetic::integer || !policy_of(network).quantizes())
    return false;
  for (std::size_t i = 0; i < network.info().layers.size(); ++i)
    if (const LayerQuantization& q = network.quantization(static_cast<int>(i));
        q.activation_dynamic || !runs_on_integers(q))
      return false;
  return true;
}

IntegerEvaluation::IntegerEvaluation(const Network& network) {
  const quant::Plan plan = quant::lower(network.info(), policy_of(network));
  const DeployedModel model = deploy(network, plan);
  lanes_.resize(static_cast<std::size_t>(base::thread_count()));
  base::parallel_for(static_cast<int>(lanes_.size()), [&](int lane) {
    lanes_[static_cast<std::size_t>(lane)] = std::make_unique<IntegerNetwork>(model, kBatch);
  });
}

const Tensor& IntegerEvaluation::logits(const Tensor& images) {
  const auto parts = cut_into_parts(images.batch(), static_cast<int>(lanes_.size()));
  logits_.resize(images.batch(), {lanes_.front()->outputs()});
  base::parallel_for(static_cast<int>(parts.size()), [&](int p) {
    const Part& part = parts[static_cast<std::size_t>(p)];
    lanes_[static_cast<std::size_t>(p)]->run_range(images, part.first, part.samples, logits_);
  });
  return logits_;
}

}  // namespace bitsmith::trainer
