#include "quant/base/nearest.hpp"

#include <boost/test/unit_test.hpp>

using bitsmith::base::did_you_mean;
using bitsmith::base::edit_distance;
using bitsmith::base::nearest_name;

BOOST_AUTO_TEST_SUITE(nearest)

BOOST_AUTO_TEST_CASE(distance_counts_insertions_deletions_replacements_and_swaps) {
  BOOST_TEST(edit_distance("", "") == 0);
  BOOST_TEST(edit_distance("abc", "") == 3);
  BOOST_TEST(edit_distance("episodes", "episodes") == 0);
  BOOST_TEST(edit_distance("epsiodes", "episodes") == 1);
  BOOST_TEST(edit_distance("episode", "episodes") == 1);
  BOOST_TEST(edit_distance("kitten", "sitting") == 3);
  BOOST_TEST(edit_distance("SGD", "sgd") == 0);
}

BOOST_AUTO_TEST_CASE(the_nearest_name_is_found_and_far_ones_are_not) {
  const std::vector<std::string> names = {"episodes", "round", "reward", "learning_rate"};
  BOOST_TEST(nearest_name("episode", names) == "episodes");
  BOOST_TEST(nearest_name("rewrad", names) == "reward");
  BOOST_TEST(nearest_name("learningrate", names) == "learning_rate");
  BOOST_TEST(nearest_name("learn", names) == "learning_rate");
  BOOST_TEST(nearest_name("colour", names) == "");
  BOOST_TEST(nearest_name("x", names) == "");
  BOOST_TEST(nearest_name(std::string(1000000, 'e'), names) == "");
}

BOOST_AUTO_TEST_CASE(a_message_ends_with_the_nearest_name_or_with_nothing) {
  const std::vector<std::string> names = {"adam", "sgd"};
  BOOST_TEST(did_you_mean("adm", names) == ", did you mean 'adam'?");
  BOOST_TEST(did_you_mean("lion", names) == "");
}

BOOST_AUTO_TEST_SUITE_END()
