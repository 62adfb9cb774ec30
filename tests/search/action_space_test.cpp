#include "search/action_space.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using toy::contains;

namespace {

SearchOptions with_bits(std::vector<quant::Format> weights, std::vector<quant::Format> activations) {
  SearchOptions options;
  options.weight_bits = std::move(weights);
  options.activation_bits = std::move(activations);
  return options;
}

quant::QuantizationOptions pinned(int first, int last) {
  quant::QuantizationOptions options;
  options.first_layer_bits = first;
  options.last_layer_bits = last;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(action_space)

BOOST_AUTO_TEST_CASE(bins_are_of_equal_width_and_closed_at_both_ends) {
  const auto network = toy::chain(3);
  const ActionSpace space(network, with_bits({2, 4, 6, 8}, {2, 3}), pinned(8, 8));
  const double inf = std::numeric_limits<double>::infinity();
  struct Row {
    double action;
    int bits;
  };
  for (Row row : {Row{0.0, 2}, Row{0.2499, 2}, Row{0.25, 4}, Row{0.4999, 4}, Row{0.5, 6}, Row{0.75, 8},
                  Row{1.0, 8}, Row{-3.0, 2}, Row{7.0, 8}, Row{-inf, 2}, Row{inf, 8}}) {
    BOOST_TEST(space.to_bits(1, Part::weight, row.action) == row.bits, row.action);
  }
  BOOST_CHECK_THROW(space.to_bits(1, Part::weight, std::numeric_limits<double>::quiet_NaN()),
                    base::InternalError);
}

BOOST_AUTO_TEST_CASE(haqs_rounding_is_the_same_mapping_between_the_edges) {
  // HAQ, equation 1: b = round(bmin - 0.5 + a (bmax - bmin + 1)).
  const auto network = toy::chain(3);
  const ActionSpace space(network, with_bits({2, 3, 4, 5, 6, 7, 8}, {2, 3}), pinned(8, 8));
  for (int i = 1; i < 1000; ++i) {
    const double action = i / 1000.0 + 1e-7;
    BOOST_TEST(space.to_bits(1, Part::weight, action) == static_cast<int>(std::lround(2 - 0.5 + action * 7)));
  }
}

BOOST_AUTO_TEST_CASE(the_centre_of_a_bin_maps_back_to_its_bits) {
  const auto network = toy::chain(3);
  const ActionSpace space(network, with_bits({2, 4, 6, 8}, {1, 2, 3, 8}), pinned(8, 8));
  for (const Step step : space.steps()) {
    for (quant::Format bits : space.choices(step.layer, step.part)) {
      const double action = space.to_action(step.layer, step.part, bits);
      BOOST_TEST(action > 0);
      BOOST_TEST(action < 1);
      BOOST_TEST(space.to_bits(step.layer, step.part, action) == bits);
    }
  }
  BOOST_TEST(space.to_action(1, Part::weight, 2) == 0.125);
}

BOOST_AUTO_TEST_CASE(pinned_layers_are_no_steps) {
  const auto network = toy::chain(3);  // and the linear layer: four layers
  BOOST_TEST(ActionSpace(network, SearchOptions{}, pinned(8, 8)).steps().size() == 4u);
  BOOST_TEST(ActionSpace(network, SearchOptions{}, pinned(0, 8)).steps().size() == 6u);
  BOOST_TEST(ActionSpace(network, SearchOptions{}, pinned(0, 0)).steps().size() == 8u);
  const ActionSpace space(network, SearchOptions{}, pinned(6, 32));
  BOOST_TEST(space.is_pinned(0));
  BOOST_TEST(!space.is_pinned(1));
  const quant::Policy lowest = space.lowest();
  BOOST_TEST((lowest.layers.front() == quant::LayerFormats{6, 6}));
  BOOST_TEST((lowest.layers.back() == quant::LayerFormats{32, 32}));
  BOOST_TEST((space.steps()[0] == Step{1, Part::weight}));
  BOOST_TEST((space.steps()[1] == Step{1, Part::activation}));
  BOOST_TEST((space.pin(quant::uniform_policy(network, {3, 4})).layers.front() == quant::LayerFormats{6, 6}));
}

BOOST_AUTO_TEST_CASE(signed_inputs_never_get_one_bit) {
  const auto network = toy::chain(2);
  const ActionSpace space(network, with_bits({2}, {1, 2, 3}), pinned(0, 0));
  BOOST_TEST(network.layers[0].input_signed);
  BOOST_TEST(space.choices(0, Part::activation).front() == 2);
  BOOST_TEST(space.choices(1, Part::activation).front() == 1);
  BOOST_TEST(contains(toy::message_of([&] { ActionSpace(network, with_bits({2}, {1}), pinned(0, 0)); }),
                      "layer 'conv1'"));
  BOOST_TEST(ActionSpace(network, with_bits({2}, {1}), pinned(8, 0)).steps().empty());
}

BOOST_AUTO_TEST_CASE(uniform_policies_take_the_nearest_choice_below) {
  const auto network = toy::chain(3);
  const ActionSpace space(network, with_bits({3, 4, 8}, {2, 8}), pinned(8, 8));
  BOOST_TEST((space.nearest_uniform({6, 6}).layers[1] == quant::LayerFormats{4, 2}));
  BOOST_TEST((space.nearest_uniform({2, 8}).layers[1] == quant::LayerFormats{3, 8}));
  BOOST_TEST((space.nearest_uniform({2, 2}).layers[0] == quant::LayerFormats{8, 8}));
  BOOST_TEST(space.allows(space.nearest_uniform({32, 32})));
  BOOST_TEST(!space.allows(quant::uniform_policy(network, {3, 2})));
}

BOOST_AUTO_TEST_CASE(lists_that_no_quantizer_serves_are_refused) {
  const auto network = toy::chain(3);
  const auto refused = [&](std::vector<quant::Format> weights, std::vector<quant::Format> activations) {
    return toy::message_of([&] { ActionSpace(network, with_bits(weights, activations), pinned(8, 8)); });
  };
  BOOST_TEST(contains(refused({}, {8}), "search.weight_bits: got [], which is empty"));
  BOOST_TEST(contains(refused({2, 4, 2}, {8}), "got [2, 2, 4], with 2 twice"));
  BOOST_TEST(contains(refused({1, 2}, {8}), "of which 1 is none"));
  BOOST_TEST(contains(refused({2, 16}, {8}), "of which 16 is none"));
  BOOST_TEST(contains(refused({2}, {8, *quant::find_format("mxfp4")}),
                      "search.activation_bits: got [8, mxfp4], of which mxfp4 is none"));
  BOOST_TEST(contains(refused({4, *quant::find_format("binary_stochastic")}, {8}),
                      "of which binary_stochastic is none"));
  for (int bits : {-1, 1, 9, 16, 33})
    BOOST_CHECK_THROW(ActionSpace(network, {}, pinned(bits, 8)), base::UserError);
}

BOOST_AUTO_TEST_CASE(formats_are_choices_in_the_order_of_their_effective_bits) {
  const auto network = toy::chain(3);
  const auto format = [](const char* name) { return *quant::find_format(name); };
  const std::vector<quant::Format> ascending = {format("binary"), format("ternary"), 2, format("kmeans3"), 4,
                                                format("mxfp4"),  format("nvfp4"),   8};
  std::vector<quant::Format> shuffled = {
      8, format("nvfp4"), 2, format("mxfp4"), format("binary"), format("kmeans3"), 4, format("ternary")};
  const ActionSpace space(network, with_bits(shuffled, {4, 8}), pinned(8, 8));
  BOOST_TEST(space.choices(1, Part::weight) == ascending, boost::test_tools::per_element());
  BOOST_TEST(space.to_bits(1, Part::weight, 0.0).name() == "binary");
  BOOST_TEST(space.to_bits(1, Part::weight, 0.7).name() == "mxfp4");
  for (quant::Format choice : ascending)
    BOOST_TEST(space.to_bits(1, Part::weight, space.to_action(1, Part::weight, choice)) == choice);
  BOOST_TEST(space.nearest_uniform({5, 8}).layers[1].weight.name() == "nvfp4");
}

BOOST_AUTO_TEST_CASE(one_layer_cannot_be_pinned_twice_differently) {
  quant::NetworkBuilder builder("single", {3, 1, 1});
  builder.linear("fc", 0, 2);
  const auto network = std::move(builder).build();
  BOOST_CHECK_THROW(ActionSpace(network, {}, pinned(8, 4)), base::UserError);
  BOOST_TEST(ActionSpace(network, {}, pinned(4, 4)).steps().empty());
  const auto nothing = quant::NetworkBuilder("nothing", {1, 1, 1}).build();
  BOOST_CHECK_THROW(ActionSpace(nothing, {}, pinned(4, 4)), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
