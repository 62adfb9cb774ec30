#include "experiments/commands/network_argument.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <optional>

#include "experiments/pipeline/chosen_policy.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/networks/description.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/onnx/imported_policy.hpp"

namespace bitsmith::experiments {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;  // of a description

std::optional<int> whole(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

quant::Shape shape_of(const std::string& text) {
  std::array<int, 3> sizes{};
  std::size_t begin = 0, count = 0;
  for (; begin <= text.size() && count < 4; ++count) {
    const std::size_t end = std::min(text.find('x', begin), text.size());
    const auto size = whole(std::string_view(text).substr(begin, end - begin));
    if (count == 3 || !size || *size < 1) {
      count = 4;
      break;
    }
    sizes[count] = *size;
    begin = end + 1;
  }
  if (count != 3)
    throw base::UserError(fmt::format("--input {}: allowed is CHANNELSxHEIGHTxWIDTH, e.g. 3x224x224", text));
  return {sizes[0], sizes[1], sizes[2]};
}

}  // namespace

void add_network_options(CLI::App& command, NetworkArgument& argument) {
  command
      .add_option("--network", argument.network,
                  "a built-in network, a description (.yaml), or an ONNX model (.onnx)")
      ->type_name("NETWORK");
  command.add_option("--input", argument.input, "size of an image (3x32x32; of an ONNX model what it says)")
      ->type_name("CxHxW");
  command.add_option("--classes", argument.classes, "of built-in and described networks (10)")
      ->check(CLI::Range(2, 1 << 20));
}

NamedNetwork load_network(const NetworkArgument& argument) {
  if (argument.network.ends_with(".onnx")) {
    std::optional<quant::Shape> input;
    if (!argument.input.empty()) input = shape_of(argument.input);
    trainer::onnx::ImportedNetwork imported = trainer::onnx::import_file(argument.network, input);
    quant::Policy policy = trainer::onnx::imported_policy(imported);
    const bool its_own = imported.has_quantizers || policy.quantizes();
    return {std::move(imported.info), its_own ? std::optional(std::move(policy)) : std::nullopt};
  }
  const quant::Shape input = argument.input.empty() ? quant::Shape{3, 32, 32} : shape_of(argument.input);
  if (argument.network.ends_with(".yaml") || argument.network.ends_with(".yml"))
    return {trainer::build_network(
                trainer::read_network(base::read_file(argument.network, kMostBytes), argument.network), input,
                argument.classes),
            std::nullopt};
  return {trainer::build_network(argument.network, input, argument.classes), std::nullopt};
}

quant::Policy policy_argument(const quant::NetworkInfo& network, const std::string& policy) {
  if (policy == "fp32") return quant::uniform_policy(network, {quant::kFloatBits, quant::kFloatBits});
  if (!policy.starts_with("uniform:")) return chosen_policy(network, policy, {8, 8}, {});
  const std::string_view bits = std::string_view(policy).substr(8);
  const std::size_t comma = std::min(bits.find(','), bits.size());
  const auto weights = whole(bits.substr(0, comma));
  const auto activations = comma == bits.size() ? weights : whole(bits.substr(comma + 1));
  const auto fits = [](const std::optional<int>& value) { return value && *value >= 2 && *value <= 8; };
  if (!fits(weights) || !fits(activations))
    throw base::UserError(
        fmt::format("--policy {}: allowed are fp32, uniform:BITS and uniform:WEIGHTS,ACTIVATIONS with 2 to 8 "
                    "bits, or the "
                    "file of a policy",
                    policy));
  return quant::uniform_policy(network, {*weights, *activations});
}

}  // namespace bitsmith::experiments
