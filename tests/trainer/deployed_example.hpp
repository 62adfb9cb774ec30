#pragma once

#include <string>

#include "quant/base/random.hpp"
#include "quant/integer_joins.hpp"
#include "quant/plan.hpp"
#include "tests/trainer/small_data.hpp"
#include "tests/trainer/varied_network.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/qat.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::trainer::test {

/// A network that has seen a little training, so that its batch norms are not trivial, with its calibration.
struct Example {
  static constexpr int kClasses = 5, kImages = 96;

  SmallData data;
  TensorSource source;
  Network network;
  CalibrationTable table;

  Example(const std::string& name, std::uint64_t seed, quant::Shape shape = {3, 16, 16},
          Joins joins = Joins::fp32)
      : Example(network_of(name, shape, joins), shape, seed) {}
  Example(quant::NetworkInfo info, quant::Shape shape, std::uint64_t seed)
      : data(make_small_data(kImages, shape, kClasses, seed + 1)),
        source(data.images, data.labels, kClasses, 32),
        network(std::move(info), seed),
        table(0) {
    TrainOptions options;
    options.epochs = 2;
    options.batch = 32;
    options.learning_rate = 0.02;
    train(network, source, options);
    table = calibrate(network, source, {});
  }

  /// Built in, or "varied".
  static quant::NetworkInfo network_of(const std::string& name, quant::Shape shape, Joins joins) {
    if (name != "varied") return build_network(name, shape, kClasses, {.joins = joins});
    const quant::NetworkInfo info = varied_network(shape, kClasses);
    return joins == Joins::int8 ? quant::with_integer_joins(info) : info;
  }

  /// Layers at 2..8 bits; every third policy also holds layers in fp32 and weight-only ones.
  quant::Policy random_policy(int mix) const {
    base::Rng rng(static_cast<std::uint64_t>(mix) + 77);
    quant::Policy policy = quant::uniform_policy(network.info(), {8, 8});
    for (quant::LayerFormats& bits : policy.layers) {
      bits = {2 + static_cast<int>(rng.below(7)), 2 + static_cast<int>(rng.below(7))};
      if (mix % 3 != 2) continue;
      if (rng.below(4) == 0) bits = {quant::kFloatBits, quant::kFloatBits};
      if (rng.below(6) == 0) bits.activation = quant::kFloatBits;
    }
    return policy;
  }

  quant::Plan quantize(const quant::Policy& policy) {
    apply_policy(network, policy, table, {});
    return quant::lower(network.info(), policy);
  }
};

}  // namespace bitsmith::trainer::test
