#include "tests/trainer/onnx/backend_suite.hpp"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>

#include "trainer/onnx/operators/types.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer::onnx;
using base::UserError;

/// What is not run, with reasons: "operator NAME: reason" or "case NAME: reason".
struct Skipped {
  std::map<std::string, std::string> operators, cases;
};

Skipped read_skipped() {
  Skipped skipped;
  std::istringstream file(
      base::read_file(std::string(BITSMITH_SOURCE_DIR) + "/tests/trainer/onnx/backend_suite_skipped.txt"));
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.find(' '), colon = line.find(": ");
    BOOST_REQUIRE_MESSAGE(
        space != std::string::npos && colon != std::string::npos && space < colon && colon + 2 < line.size(),
        "no reason: " << line);
    const std::string kind = line.substr(0, space), name = line.substr(space + 1, colon - space - 1);
    BOOST_REQUIRE_MESSAGE(kind == "operator" || kind == "case", line);
    auto& list = kind == "operator" ? skipped.operators : skipped.cases;
    BOOST_CHECK_MESSAGE(list.emplace(name, line.substr(colon + 2)).second, name << " is listed twice");
  }
  return skipped;
}

/// The suite's own tolerance, and what is reached (relative to values of a hundredth and more).
constexpr double kRelative = 1e-3, kAbsolute = 1e-7, kUsual = 1e-5;

/// What differs, or nothing.
std::string difference(const Tensor& got, const Tensor& expected, double& worst) {
  if (got.type != expected.type)
    return fmt::format("{} instead of {}", element_type_name(got.type), element_type_name(expected.type));
  if (got.dims != expected.dims) return fmt::format("{} instead of {}", show(got.dims), show(expected.dims));
  if (!is_float(got.type)) return got.bytes == expected.bytes ? "" : "other integers";
  const std::vector<double> a = to_doubles(got), b = to_doubles(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double error = std::abs(a[i] - b[i]);
    if (!(error <= kAbsolute + kRelative * std::abs(b[i])))
      return fmt::format("element {} is {} instead of {}", i, a[i], b[i]);
    worst = std::max(worst, error / (std::abs(b[i]) + 1e-2));
  }
  return "";
}

/// What is wrong with a case, or nothing.
std::string run(const tests::SuiteCase& suite_case, double& worst) {
  try {
    const Model model = suite_case.model();
    const auto got = evaluate(model, suite_case.inputs(model));
    const auto expected = suite_case.outputs(model);
    for (std::size_t o = 0; o < expected.size(); ++o)
      if (const std::string text = difference(got.at(o), expected[o], worst); !text.empty())
        return fmt::format("output {}: {}", o, text);
    return "";
  } catch (const UserError& error) {
    return error.what();
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_backend_suite)

BOOST_AUTO_TEST_CASE(every_case_of_the_operators_in_the_table_gives_what_the_suite_says) {
  const auto cases = tests::backend_suite();
  BOOST_REQUIRE_MESSAGE(cases.size() > 900, "install libonnx-testdata: there are "
                                                << cases.size() << " cases in " << tests::kBackendSuite);
  const Skipped skipped = read_skipped();
  std::set<std::string> seen_cases, missing_operators;
  int done = 0;
  for (const tests::SuiteCase& suite_case : cases) {
    seen_cases.insert(suite_case.name);
    bool is_supported = true;
    for (const std::string& name : suite_case.operators) {
      if (find_operator("", name)) continue;
      is_supported = false;
      missing_operators.insert(name);
      BOOST_CHECK_MESSAGE(
          skipped.operators.contains(name),
          suite_case.name << ": operator " << name << " is not in the table, and not listed as skipped");
    }
    if (!is_supported) {
      BOOST_CHECK_MESSAGE(!skipped.cases.contains(suite_case.name),
                          suite_case.name << " is skipped for its operators: a line of its own is too much");
      continue;
    }
    double worst = 0;
    const std::string mistake = run(suite_case, worst);
    if (skipped.cases.contains(suite_case.name)) {
      BOOST_CHECK_MESSAGE(!mistake.empty(), suite_case.name << " is right, but listed as skipped");
      continue;
    }
    ++done;
    BOOST_CHECK_MESSAGE(mistake.empty(), suite_case.name << ": " << mistake);
    // Windows of signals are cosines of constants in float32 here, of float64 there.
    if (suite_case.name.find("window_") == std::string::npos) BOOST_CHECK_LT(worst, kUsual);
  }
  for (const auto& [name, reason] : skipped.operators)
    BOOST_CHECK_MESSAGE(missing_operators.contains(name),
                        "operator " << name << " is listed as skipped, but no case lacks it");
  for (const auto& [name, reason] : skipped.cases)
    BOOST_CHECK_MESSAGE(seen_cases.contains(name),
                        "case " << name << " is listed as skipped, but there is none");
  BOOST_TEST_MESSAGE(done << " of " << cases.size() << " cases run");
}

BOOST_AUTO_TEST_SUITE_END()
