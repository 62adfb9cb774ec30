#include "hwmodels/layer_list.hpp"

#include <boost/test/unit_test.hpp>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::parse_layer_list;
using tests::message_has;

namespace {

void check_refused(const std::string& line, std::vector<std::string> parts) {
  parts.emplace_back("l.tsv:2: ");
  BOOST_CHECK_EXCEPTION(parse_layer_list("good fc 8 8 1 1 1 1\n" + line + "\n", "l.tsv"), base::UserError,
                        message_has(std::move(parts)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_list)

BOOST_AUTO_TEST_CASE(a_line_is_a_layer_behind_a_relu) {
  const auto networks = parse_layer_list(
      "# name kind in_ch out_ch in_hw kernel stride groups\n"
      "\n"
      "res\tconv\t16\t24\t9\t3\t2\t1  # tabs\r\n"
      "  dw conv 8 8 6 5 1 8\n"
      "fc fc 64 10 1 1 1 1",
      "l.tsv");
  BOOST_REQUIRE(networks.size() == 3u);
  for (const quant::NetworkInfo& network : networks) {
    BOOST_REQUIRE(network.layers.size() == 1u);
    BOOST_TEST(network.layers[0].name == network.name);
    BOOST_TEST(!network.layers[0].input_signed);
    BOOST_TEST(network.layers[0].bias);
  }
  const quant::LayerInfo& res = networks[0].layers[0];
  BOOST_TEST(res.name == "res");
  BOOST_TEST((res.kind == quant::LayerKind::conv));
  BOOST_TEST((res.input == quant::Shape{16, 9, 9}));
  BOOST_TEST((res.output == quant::Shape{24, 5, 5}));
  BOOST_TEST((res.window == quant::Window::square(3, 2, 1)));
  const quant::LayerInfo& dw = networks[1].layers[0];
  BOOST_TEST((dw.kind == quant::LayerKind::depthwise));
  BOOST_TEST((dw.output == dw.input));  // padded by kernel / 2
  const quant::LayerInfo& fc = networks[2].layers[0];
  BOOST_TEST((fc.kind == quant::LayerKind::linear));
  BOOST_TEST(fc.weights() == 640);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_no_layer_is_refused_with_its_place) {
  check_refused("a conv 8 8 4 1 1", {"got 7 columns", "name kind in_ch out_ch in_hw kernel stride groups"});
  check_refused("a conv 8 8 4 1 1 1 1", {"got 9 columns"});
  check_refused("a cnov 8 8 4 1 1 1", {"kind: got 'cnov'", "conv, fc", "did you mean 'conv'?"});
  check_refused("a conv 8 0 4 1 1 1", {"out_ch: got '0'", "1 to 65536"});
  check_refused("a conv 8 8 4 -1 1 1", {"kernel: got '-1'"});
  check_refused("a conv 8 8 4 1 1.5 1", {"stride: got '1.5'"});
  check_refused("a conv 65537 8 4 1 1 1", {"in_ch: got '65537'"});
  check_refused("a conv 99999999999999999999 8 4 1 1 1", {"in_ch: got '99999999999999999999'"});
  check_refused("a conv 8 8 4 1 1 3", {"3 groups must divide 8 input"});
  check_refused("a fc 8 8 2 1 1 1", {"fc: got in_hw 2", "allowed is 1"});
}

BOOST_AUTO_TEST_CASE(layers_that_no_memory_holds_are_refused) {
  check_refused("a conv 65536 1 65536 1 1 1", {"its input", "allowed are 134217728"});
  check_refused("a conv 65536 65536 1 65535 1 1", {"its weights", "allowed are 268435456"});
  check_refused("a conv 1 65536 4096 1 1 1", {"its output"});
}

BOOST_AUTO_TEST_CASE(a_name_stands_once) {
  check_refused("good fc 4 4 1 1 1 1", {"a second layer 'good'", "line 1"});
}

BOOST_AUTO_TEST_CASE(all_problems_are_told_at_once) {
  BOOST_CHECK_EXCEPTION(parse_layer_list("a conv\nb fc 4 4 1 1 1 1\nc cnov 8 8 4 1 1 1\n", "l.tsv"),
                        base::UserError, message_has({"l.tsv:1: ", "\nl.tsv:3: "}));
}

BOOST_AUTO_TEST_CASE(a_list_without_layers_is_refused) {
  for (const char* text : {"", "# nothing\n\n   \n"})
    BOOST_CHECK_EXCEPTION(parse_layer_list(text, "l.tsv"), base::UserError,
                          message_has({"l.tsv: no layers", "name kind in_ch"}));
}

BOOST_AUTO_TEST_CASE(a_list_is_read_from_a_file) {
  const tests::TemporaryFolder folder;
  base::replace_file(folder / "l.tsv", "fc fc 64 10 1 1 1 1\n");
  BOOST_TEST(hwmodels::read_layer_list(folder / "l.tsv").size() == 1u);
  BOOST_CHECK_EXCEPTION(hwmodels::read_layer_list(folder / "none.tsv"), base::UserError,
                        message_has({"none.tsv: cannot read"}));
  BOOST_TEST(hwmodels::read_layer_list(BITSMITH_SOURCE_DIR "/tests/bench/layers.tsv").size() >= 10u);
}

BOOST_AUTO_TEST_SUITE_END()
