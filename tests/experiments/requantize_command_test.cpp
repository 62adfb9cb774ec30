#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "quant/base/npy.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;

namespace {

base::ProcessResult requantize(std::vector<std::string> words) {
  words.insert(words.begin(), {BITSMITH_EXECUTABLE, "requantize"});
  return base::run_process(words, "", 60);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(requantize_command)

BOOST_AUTO_TEST_CASE(the_rules_round_their_own_way) {
  const tests::TemporaryFolder folder;
  const std::string file = (folder / "acc.npy").string(), out = (folder / "q.npy").string();
  base::write_npy(file, std::span<const std::int32_t>(std::vector<std::int32_t>{2, -2, 6, -6, 1000, -1000}),
                  {6});
  const auto codes = [&](const char* rule) {
    const auto said = requantize({file, "--multiplier", "0.25", "--rule", rule, "--output", out});
    BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
    return base::read_npy(out).integers();
  };
  using Codes = std::vector<std::int64_t>;
  BOOST_TEST(codes("double_rounding") == (Codes{1, -1, 2, -2, 127, -128}), boost::test_tools::per_element());
  BOOST_TEST(codes("single_rounding") == (Codes{1, 0, 2, -1, 127, -128}), boost::test_tools::per_element());
  BOOST_TEST(codes("fp32") == (Codes{0, 0, 2, -2, 127, -128}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(quantized_tensors_are_added_in_integers) {
  const tests::TemporaryFolder folder;
  const std::string a = (folder / "a.npy").string(), b = (folder / "b.npy").string();
  base::write_npy(a, std::span<const std::int32_t>(std::vector<std::int32_t>{10, 50, -100}), {3});
  base::write_npy(b, std::span<const std::int32_t>(std::vector<std::int32_t>{4, -20, 100}), {3});
  const auto said = requantize({a, "--add", b, "--scales", "0.1", "0.2", "0.25", "--zero-points", "2", "-3",
                                "--zero-point", "5", "--json"});
  BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
  // (0.1 (a - 2) + 0.2 (b + 3)) / 0.25 + 5
  BOOST_TEST(nlohmann::json::parse(said.out)["codes"] == nlohmann::json({14, 11, 47}));
  const auto refused = requantize({a, "--add", b});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("--scales A B SUM") != std::string::npos, refused.err);
}

BOOST_AUTO_TEST_CASE(multipliers_and_mistakes_are_told) {
  const tests::TemporaryFolder folder;
  const std::string file = (folder / "acc.npy").string();
  base::write_npy(file, std::span<const std::int32_t>(std::vector<std::int32_t>{100, 200}), {1, 2});
  const auto json = requantize({file, "--multiplier", "0.5", "--multiplier", "0.25", "--format", "uint8",
                                "--zero-point", "3", "--json"});
  BOOST_REQUIRE_MESSAGE(json.exit_code == 0, json.err);
  const auto object = nlohmann::json::parse(json.out);
  BOOST_TEST(object["codes"] == nlohmann::json({53, 53}));
  BOOST_TEST(object["multipliers"][0]["mantissa"] == 1 << 30);
  BOOST_TEST(object["multipliers"][0]["exponent"] == 0);
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{file, "--multiplier", "-1"}, "--multiplier: got -1"},
      {{file, "--multiplier", "0.5", "--rule", "fp23"}, "did you mean 'fp32'?"},
      {{file, "--multiplier", "0.5", "--multiplier", "0.5", "--multiplier", "0.5"}, "give 1 or 2"},
      {{file, "--multiplier", "0.5", "--format", "int4"}, "allowed: int8, uint8"},
      {{file, "--multiplier", "0.5", "--low", "9", "--high", "1"}, "--low 9 is above --high 1"},
  };
  for (const auto& [words, expected] : cases) {
    const auto said = requantize(words);
    BOOST_TEST(said.exit_code == 2);
    BOOST_TEST(said.err.find(expected) != std::string::npos, said.err);
  }
}

BOOST_AUTO_TEST_SUITE_END()
