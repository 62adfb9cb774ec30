#include "experiments/config/constraint.hpp"

#include <boost/test/unit_test.hpp>

using namespace bitsmith::experiments;

namespace {

Constraint read(const char* name, const char* text) {
  return std::get<Constraint>(parse_constraint(name, text));
}
std::string refused(const char* name, const char* text) {
  return std::get<std::string>(parse_constraint(name, text));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(constraint)

BOOST_AUTO_TEST_CASE(bounds_are_read_in_the_unit_of_their_metric) {
  BOOST_TEST((read("size", "0.5x") == Constraint{"size", 0.5, true}));
  BOOST_TEST((read("size", "120 KiB") == Constraint{"size", 120, false}));
  BOOST_TEST((read("size", "2MiB") == Constraint{"size", 2048, false}));
  BOOST_TEST((read("size", "512 B") == Constraint{"size", 0.5, false}));
  BOOST_TEST((read("latency", "1.2 ms") == Constraint{"latency", 1.2, false}));
  BOOST_TEST(read("latency", "1e2us").value == 0.1);
  BOOST_TEST(read("bops", "500 MBOPs").value == 0.5);
  BOOST_TEST(read("bops", "1 T").value == 1000.0);
  BOOST_TEST((read("energy_mj", "3.5") == Constraint{"energy_mj", 3.5, false}));
  BOOST_TEST((read("energy_mj", "0.4x") == Constraint{"energy_mj", 0.4, true}));
}

BOOST_AUTO_TEST_CASE(metrics_are_those_of_the_cost_models) {
  BOOST_TEST(read("size", "0.5x").metric() == "size_kib");
  BOOST_TEST(read("bops", "0.5x").metric() == "gbops");
  BOOST_TEST(read("latency", "0.5x").metric() == "latency_ms");
  BOOST_TEST(read("energy_mj", "0.5x").metric() == "energy_mj");
  BOOST_TEST(read("size", "0.5x").absolute(80) == 40.0);
  BOOST_TEST(read("size", "64 KiB").absolute(80) == 64.0);
}

BOOST_AUTO_TEST_CASE(bounds_without_a_unit_or_sense_are_refused) {
  const std::string allowed =
      ", allowed: a factor of uniform 8 bit like 0.5x, or a number with a unit (us, ms, s) like 1.2 ms";
  BOOST_TEST(refused("latency", "1.2") == "got '1.2' without a unit" + allowed);
  BOOST_TEST(refused("latency", "1.2 h") == "got '1.2 h' (unknown unit 'h')" + allowed);
  BOOST_TEST(refused("latency", "-1 ms") == "got '-1 ms' (not above 0)" + allowed);
  BOOST_TEST(refused("latency", "fast") == "got 'fast'" + allowed);
  for (const char* text :
       {"", "x", "ms", "1..2 ms", "0x", "01 ms", "1e999 ms", "nan ms", "1 2 ms", "1e ms", "1 x x"})
    BOOST_TEST(std::holds_alternative<std::string>(parse_constraint("latency", text)), text);
  BOOST_TEST(std::holds_alternative<std::string>(parse_constraint("energy_mj", "3 mJ")));
}

BOOST_AUTO_TEST_CASE(text_reads_back_equal) {
  for (const Constraint& constraint : {Constraint{"size", 0.1, true}, Constraint{"size", 1.0 / 3, false},
                                       Constraint{"bops", 1e-7, false}, Constraint{"energy_mj", 3e20, false}})
    BOOST_TEST((std::get<Constraint>(parse_constraint(constraint.name, constraint.text())) == constraint));
}

BOOST_AUTO_TEST_SUITE_END()
