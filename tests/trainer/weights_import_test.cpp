#include "trainer/weights_import.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <map>

#include "quant/base/error.hpp"
#include "quant/base/npy.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/quant/base/write_npz.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using tests::message_has;
using tests::TemporaryFolder;

struct Array {
  std::vector<float> values;
  std::vector<std::uint64_t> shape;
};
using Arrays = std::map<std::string, Array>;

Network tiny_network(std::uint64_t seed) {
  quant::NetworkBuilder net("tiny", {1, 4, 4});
  const int x = net.batch_norm("bn1", net.conv("conv1", net.input(), 2, quant::Window::square(3, 1, 1)));
  net.linear("fc", net.flatten("flat", x), 3);
  return Network(std::move(net).build(), seed);
}

// All that the network wants, with the values of another seed.
Arrays arrays_of(const Network& network) {
  Arrays arrays;
  for (const Parameter& p : network.parameters())
    arrays[p.name] = {p.value, {p.shape.begin(), p.shape.end()}};
  for (const Buffer& b : network.buffers()) arrays[b.name] = {b.value, {b.value.size()}};
  return arrays;
}

std::filesystem::path write(const TemporaryFolder& folder, const Arrays& arrays) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [name, array] : arrays)
    entries.emplace_back(name + ".npy", base::npy_bytes<float>(array.values, array.shape));
  tests::write_npz(folder / "w.npz", entries, true);
  return folder / "w.npz";
}
}  // namespace

BOOST_AUTO_TEST_SUITE(importing_weights)

BOOST_AUTO_TEST_CASE(parameters_and_statistics_are_loaded_by_name) {
  const TemporaryFolder folder;
  const Network from = tiny_network(1);
  Arrays arrays = arrays_of(from);
  arrays["bn1.running_mean"].values = {0.5f, -0.5f};
  arrays["bn1.num_batches_tracked"] = {{7.0f}, {}};
  Network to = tiny_network(2);
  BOOST_TEST(to.parameters()[0].value != from.parameters()[0].value);
  import_weights(write(folder, arrays), to);
  for (std::size_t i = 0; i < from.parameters().size(); ++i)
    BOOST_TEST(to.parameters()[i].value == from.parameters()[i].value, boost::test_tools::per_element());
  BOOST_TEST(to.find_buffer("bn1.running_mean")->value[1] == -0.5f);
}

BOOST_AUTO_TEST_CASE(all_that_is_wrong_is_said_at_once_and_nothing_is_changed) {
  const TemporaryFolder folder;
  Network network = tiny_network(1);
  const std::vector<float> before = network.parameters()[0].value;
  Arrays arrays = arrays_of(tiny_network(2));
  arrays["conv_1.weight"] = arrays["conv1.weight"];
  arrays.erase("conv1.weight");
  arrays["fc.weight"].shape = {32, 3};
  arrays["fc.bias"].values[1] = std::numeric_limits<float>::quiet_NaN();
  arrays["bn1.running_var"].values[0] = -1.0f;
  arrays["something"] = {{1.0f}, {1}};
  BOOST_CHECK_EXCEPTION(
      import_weights(write(folder, arrays), network), UserError,
      message_has("w.npz", "'tiny'", "'conv1.weight' (2x1x3x3) is missing", "'conv_1.weight' is unknown",
                  "did you mean 'conv1.weight'", "'fc.weight' is 32x3", "needs 3x32",
                  "'fc.bias': value 1 is nan", "'bn1.running_var': value 0 is -1", "'something' is unknown"));
  BOOST_TEST(network.parameters()[0].value == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(files_that_are_no_archives_are_refused) {
  const TemporaryFolder folder;
  Network network = tiny_network(1);
  BOOST_CHECK_EXCEPTION(import_weights(folder / "none.npz", network), UserError, message_has("none.npz"));
}

BOOST_AUTO_TEST_SUITE_END()
