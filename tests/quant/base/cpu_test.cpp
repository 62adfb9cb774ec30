#include "quant/base/cpu.hpp"

#include <stdio.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

namespace {
using namespace bitsmith::base;

// Runs the case `the_selected_isa_is_available` of this program with BITSMITH_ISA set, since the choice is
// made once.
std::string output_with_isa(const std::string& name) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "BITSMITH_ISA=" + name + " '" + program +
                              "' --run_test=cpu_features/the_selected_isa_is_available 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string output;
  char buffer[1024];
  while (pipe != nullptr && fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  if (pipe != nullptr) pclose(pipe);
  return output;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(cpu_features)

BOOST_AUTO_TEST_CASE(scalar_is_always_available_and_the_order_ascends) {
  const auto isas = available_isas();
  BOOST_REQUIRE(!isas.empty());
  BOOST_TEST((isas.front() == Isa::scalar));
  BOOST_TEST(std::is_sorted(isas.begin(), isas.end()));
}

BOOST_AUTO_TEST_CASE(the_selected_isa_is_available) {
  const auto isas = available_isas();
  BOOST_TEST((std::find(isas.begin(), isas.end(), selected_isa()) != isas.end()));
}

BOOST_AUTO_TEST_CASE(each_available_isa_can_be_forced_and_another_name_is_refused_with_a_list) {
  for (Isa isa : available_isas())
    BOOST_TEST(output_with_isa(std::string(isa_name(isa))).find("No errors detected") != std::string::npos);
  const std::string output = output_with_isa("mmx");
  BOOST_TEST(output.find("BITSMITH_ISA=mmx: not an instruction set of this CPU; available: scalar") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_cpu_has_a_name_and_cores) {
  const CpuInfo info = cpu_info();
  BOOST_TEST(!info.model.empty());
  BOOST_TEST(info.cores >= 1);
  BOOST_TEST(info.l1d_bytes >= 0);
}

BOOST_AUTO_TEST_SUITE_END()
