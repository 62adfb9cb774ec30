#include "quant/policy.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

NetworkInfo small_network() {
  NetworkBuilder b("small", {3, 8, 8});
  int x = b.relu("relu1", b.conv("conv1", b.input(), 4, Window::square(3, 1, 1)));
  x = b.relu("relu2", b.conv("conv2", x, 8, Window::square(3, 2, 1)));
  b.linear("fc", b.flatten("flatten", b.global_average_pool("pool", x)), 10);
  return std::move(b).build();
}

/// A file in the temporary folder, removed at the end.
struct TemporaryFile {
  std::filesystem::path path;
  explicit TemporaryFile(const std::string& text)
      : path(std::filesystem::temp_directory_path() /
             ("bitsmith_policy_" + std::to_string(::getpid()) + ".yaml")) {
    std::ofstream(path) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
};

/// Reads `text` as a policy of small_network and returns the message without the folder.
std::string complaint(const std::string& text) {
  const TemporaryFile file(text);
  try {
    policy_from_yaml(small_network(), file.path);
  } catch (const base::UserError& error) {
    const std::string message = error.what();
    const std::size_t name = message.find(".yaml:");
    return name == std::string::npos ? message : message.substr(name + 6);
  }
  return "accepted";
}

const std::string kHead = "version: 1\nnetwork: small\nlayers:\n";
const std::string kConv1 = "  - {name: conv1, weight_bits: 8, activation_bits: 8}\n";
const std::string kConv2 = "  - {name: conv2, weight_bits: 4, activation_bits: fp32}\n";
const std::string kFc = "  - {name: fc, weight_bits: fp32, activation_bits: fp32}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(policy)

BOOST_AUTO_TEST_CASE(a_policy_written_and_read_is_the_same) {
  const NetworkInfo network = small_network();
  const Policy policy{{{8, 8}, {4, kFloatBits}, {kFloatBits, kFloatBits}}};
  const TemporaryFile file(policy_to_yaml(network, policy));
  BOOST_TEST((policy_from_yaml(network, file.path) == policy));
}

BOOST_AUTO_TEST_CASE(layers_may_come_in_any_order) {
  const TemporaryFile file(kHead + kFc + kConv2 + kConv1);
  const Policy policy = policy_from_yaml(small_network(), file.path);
  BOOST_TEST(policy_to_string(policy) == "w8a8 w4afp32 wfp32afp32");
}

BOOST_AUTO_TEST_CASE(every_mistake_names_its_place_and_what_is_allowed) {
  const std::pair<std::string, std::string> cases[] = {
      {"[1, 2]\n", "1:1: expected a policy, got"},
      {"version: 2\nnetwork: small\nlayers: []\n", "1:10: version is '2'; this program reads version 1"},
      {"version: 1\nnetwork: other\nlayers: []\n",
       "2:10: this policy is for network 'other', not for 'small'"},
      {"version: 1\nnetwork: small\nlayres: []\n",
       "3:1: unknown key 'layres' in a policy, did you mean 'layers'?"},
      {"version: 1\nnetwork: small\n", "a policy lacks the key 'layers'"},
      {"version: 1\nnetwork: small\nlayers: 3\n", "3:9: layers is '3'; expected a list"},
      {kHead + kConv1 + kConv2, "no bits for layer fc"},
      {kHead + kConv1, "no bits for layers conv2, fc"},
      {kHead + kConv1 + kConv1, "5:12: layer 'conv1' is listed twice"},
      {kHead + "  - {name: conv3, weight_bits: 8, activation_bits: 8}\n",
       "4:12: network 'small' has no layer 'conv3', did you mean 'conv1'?; its layers: conv1, conv2, fc"},
      {kHead + "  - {name: conv1, weight_bits: 9, activation_bits: 8}\n",
       "4:32: weight_bits is '9'; allowed: fp32, 2 to 8, "},
      {kHead + "  - {name: conv1, weight_bits: mxpf4, activation_bits: 8}\n",
       "4:32: weight_bits is 'mxpf4', did you mean 'mxfp4'?; allowed: fp32, 2 to 8, pow2_2 to pow2_8"},
      {kHead + "  - {name: conv1, weight_bits: 8, activation_bits: mxfp4}\n",
       "4:52: activation_bits is 'mxfp4'"},
      {kHead + "  - {name: conv1, weight_bits: binary_stochastic, activation_bits: 8}\n",
       "4:32: weight_bits is 'binary_stochastic'"},
      {kHead + "  - {name: conv1, weight_bits: 32, activation_bits: 8}\n", "4:32: weight_bits is '32'"},
      {kHead + "  - {name: conv1, weight_bits: 4.0, activation_bits: 8}\n", "4:32: weight_bits is '4.0'"},
      {kHead + "  - {name: conv1, weight_bits: 1, activation_bits: 8}\n",
       "4:32: weight_bits is '1'; allowed: fp32, 2 to 8, "},
      {kHead + "  - {name: conv1, weight_bits: 8, activation_bits: 1}\n",
       "conv1: activation_bits is 1; allowed: 2 to 8, or fp32 (its input can be negative)"},
      {kHead + "  - {name: conv1, weight_bits: fp32, activation_bits: 8}\n",
       "conv1: fp32 weights go with fp32 activations only, activation_bits is 8"},
      {kHead + "  - {name: conv1, weight_bits: 8}\n", "a layer lacks the key 'activation_bits'"},
      {kHead + "  - {name: conv1, weight_bit: 8, activation_bits: 8}\n",
       "4:19: unknown key 'weight_bit' in a layer, did you mean 'weight_bits'?"},
      {kHead + "  - conv1\n", "4:5: expected {name, weight_bits, activation_bits}, got 'conv1'"},
      {kHead + "  - {name: [conv1], weight_bits: 8, activation_bits: 8}\n", "4:12: name is"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string message = complaint(text);
    BOOST_TEST(message.find(expected) != std::string::npos, text << "gave: " << message);
  }
}

BOOST_AUTO_TEST_CASE(a_policy_for_another_number_of_layers_is_refused) {
  const NetworkInfo network = small_network();
  BOOST_CHECK_THROW(validate_policy(network, Policy{{{8, 8}}}), base::UserError);
  BOOST_CHECK_THROW(validate_policy(network, uniform_policy(network, {9, 8})), base::UserError);
  BOOST_CHECK_NO_THROW(validate_policy(network, uniform_policy(network, {2, 2})));
}

BOOST_AUTO_TEST_CASE(means_are_weighted_by_what_the_bits_are_spent_on) {
  const NetworkInfo network = small_network();
  const Policy policy{{{8, 8}, {4, 2}, {2, 4}}};
  // Weights: 3*4*9, 4*8*9 and 8*10; inputs: 3*64, 4*64 and 8.
  BOOST_TEST(policy.mean_weight_bits(network) == (108 * 8 + 288 * 4 + 80 * 2) / 476.0,
             boost::test_tools::tolerance(1e-12));
  BOOST_TEST(policy.mean_activation_bits(network) == (192 * 8 + 256 * 2 + 8 * 4) / 456.0,
             boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(the_hash_tells_policies_apart) {
  const NetworkInfo network = small_network();
  const Policy a = uniform_policy(network, {4, 8}), b = uniform_policy(network, {8, 4});
  BOOST_TEST(a.hash() == uniform_policy(network, {4, 8}).hash());
  BOOST_TEST(a.hash() != b.hash());
  BOOST_TEST(policy_to_string(a) == "w4a8 w4a8 w4a8");
}

BOOST_AUTO_TEST_SUITE_END()
