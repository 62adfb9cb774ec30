#include "search/observation.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;

namespace {

/// A convolution, a depthwise one with stride, a pointwise one, a linear layer.
quant::NetworkInfo mixed() {
  quant::NetworkBuilder builder("mixed", {3, 8, 8});
  int x = builder.relu("r1", builder.conv("conv", 0, 16, quant::Window::square(3, 1, 1)));
  x = builder.relu("r2", builder.conv("depthwise", x, 16, quant::Window::square(3, 2, 1), 16));
  x = builder.relu("r3", builder.conv("pointwise", x, 24, quant::Window::square(1)));
  builder.linear("fc", builder.flatten("flatten", builder.global_average_pool("pool", x)), 10);
  return std::move(builder).build();
}

SearchOptions three_choices() {
  SearchOptions options;
  options.weight_bits = options.activation_bits = {2, 4, 8};
  return options;
}

constexpr float kTolerance = 1e-6f;  // a few roundings to float

void check(const Observation& got, const Observation& expected) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_TEST(std::abs(got[i] - expected[i]) <= kTolerance,
               "entry " << i << ": " << got[i] << ", not " << expected[i]);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(observation)

BOOST_AUTO_TEST_CASE(entries_are_the_papers_normalised_over_layers) {
  const auto network = mixed();
  quant::QuantizationOptions none;
  none.first_layer_bits = none.last_layer_bits = 0;
  const ActionSpace space(network, three_choices(), none);
  const Observer observer(network, space);
  BOOST_TEST(observer.steps() == 8);
  const auto policy = quant::uniform_policy(network, {4, 2});
  // channels in 3, 16, 16, 24; out 16, 16, 24, 10; kernel 3, 3, 1, 1; stride 1, 2, 1, 0; input 64, 64, 16,
  // 24; weights 432, 144, 384, 240.
  check(observer.before(0, policy), {0, 0, 6 / 14.f, 1, .5f, 1, 1, 0, 1, 1});
  check(observer.before(3, policy), {1 / 3.f, 13 / 21.f, 6 / 14.f, 1, 1, 1, 0, 1, 0, .5f});
  check(observer.before(4, policy), {2 / 3.f, 13 / 21.f, 1, 0, .5f, 0, 240 / 288.f, 0, 1, 1 / 6.f});
  check(observer.before(7, policy), {1, 1, 0, 0, 0, 8 / 48.f, 96 / 288.f, 0, 0, .5f});
}

BOOST_AUTO_TEST_CASE(only_what_was_decided_before_is_seen) {
  const auto network = mixed();
  const ActionSpace space(network, three_choices(), {});
  const Observer observer(network, space);
  const auto low = space.lowest();
  for (int step = 0; step < observer.steps(); ++step) {
    quant::Policy changed = low;
    for (int later = step; later < observer.steps(); ++later) {
      bits_of(changed, space.steps()[static_cast<std::size_t>(later)]) = 8;
    }
    BOOST_TEST((observer.before(step, changed) == observer.before(step, low)));
    if (step == 0) continue;
    changed = low;
    bits_of(changed, space.steps()[static_cast<std::size_t>(step - 1)]) = 8;
    BOOST_TEST((observer.before(step, changed) != observer.before(step, low)));
  }
}

BOOST_AUTO_TEST_CASE(weight_and_activation_steps_are_told_apart_in_every_layer) {
  const auto network = mixed();
  const ActionSpace space(network, three_choices(), {});
  const Observer observer(network, space);
  for (int step = 0; step < observer.steps(); ++step) {
    const bool weight = space.steps()[static_cast<std::size_t>(step)].part == Part::weight;
    BOOST_TEST(observer.before(step, space.lowest())[8] == (weight ? 1.0f : 0.0f));
  }
}

BOOST_AUTO_TEST_CASE(a_pinned_layer_is_seen_as_the_previous_action) {
  const auto network = mixed();
  const ActionSpace space(network, three_choices(), {});  // pinned at 8, the last of three choices
  const Observer observer(network, space);
  BOOST_TEST(observer.before(0, space.lowest())[9] == 5 / 6.f);
}

BOOST_AUTO_TEST_CASE(everything_stays_within_0_and_1) {
  for (const auto& network : {mixed(), toy::chain(1), toy::chain(5)}) {
    quant::QuantizationOptions none;
    none.first_layer_bits = none.last_layer_bits = 0;
    const ActionSpace space(network, SearchOptions{}, none);
    const Observer observer(network, space);
    for (int step = 0; step < observer.steps(); ++step) {
      for (float entry : observer.before(step, quant::uniform_policy(network, {8, 8}))) {
        BOOST_TEST(entry >= 0.0f);
        BOOST_TEST(entry <= 1.0f);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
