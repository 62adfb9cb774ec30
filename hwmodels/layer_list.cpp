#include "hwmodels/layer_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <sstream>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr const char* kColumns[] = {"name", "kind", "in_ch", "out_ch", "in_hw", "kernel", "stride", "groups"};
constexpr std::size_t kFirstNumber = 2;  // column
constexpr int kMostNumber = 1 << 16;
constexpr std::int64_t kMostActivations = std::int64_t{1} << 27;  // 512 MiB of fp32
constexpr std::int64_t kMostWeights = std::int64_t{1} << 28;      // 1 GiB of fp32
constexpr std::size_t kMostBytes = std::size_t{16} << 20;         // of a list

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line.substr(0, line.find('#')));
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

int number_of(const std::string& word, const char* column) {
  int value = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || stop != end || value < 1 || value > kMostNumber)
    throw base::UserError(
        fmt::format("{}: got '{}', allowed is an integer, 1 to {}", column, word, kMostNumber));
  return value;
}

void check_kind(const std::string& kind) {
  const std::vector<std::string> kinds = {"conv", "fc"};
  if (std::ranges::find(kinds, kind) != kinds.end()) return;
  throw base::UserError(fmt::format("kind: got '{}', allowed are {}{}", kind, base::join_names(kinds),
                                    base::did_you_mean(kind, kinds)));
}

/// In floating point: products of wrong sizes need not fit into 64 bits.
void check_size(const char* what, std::initializer_list<int> factors, std::int64_t most) {
  double product = 1;
  for (const int factor : factors) product *= factor;
  if (product > static_cast<double>(most))
    throw base::UserError(fmt::format("its {} would be {:.3g} numbers, allowed are {}", what, product, most));
}

quant::NetworkInfo layer_of(const std::vector<std::string>& words) {
  if (words.size() != std::size(kColumns))
    throw base::UserError(fmt::format("got {} column{}, expected {}: {}", words.size(),
                                      words.size() == 1 ? "" : "s", std::size(kColumns),
                                      fmt::join(kColumns, " ")));
  const std::string& name = words[0];
  const std::string& kind = words[1];
  check_kind(kind);
  int numbers[std::size(kColumns) - kFirstNumber];
  for (std::size_t i = 0; i < std::size(numbers); ++i)
    numbers[i] = number_of(words[kFirstNumber + i], kColumns[kFirstNumber + i]);
  const auto [inputs, outputs, side, kernel, stride, groups] = numbers;
  check_size("input", {inputs, side, side}, kMostActivations);
  check_size("weights", {outputs, std::max(1, inputs / groups), kernel, kernel}, kMostWeights);

  quant::NetworkBuilder builder(name, {inputs, side, side});
  const int from = builder.relu("relu before", builder.input());
  if (kind == "fc") {
    if (side != 1 || kernel != 1 || stride != 1 || groups != 1)
      throw base::UserError(
          fmt::format("fc: got in_hw {}, kernel {}, stride {}, groups {}, allowed is 1 each", side, kernel,
                      stride, groups));
    builder.linear(name, from, outputs, true);
  } else {
    const quant::Window window = quant::Window::square(kernel, stride, kernel / 2);
    check_size("output", {outputs, window.output_height(side), window.output_width(side)}, kMostActivations);
    builder.conv(name, from, outputs, window, groups, true);
  }
  return std::move(builder).build();
}

}  // namespace

std::vector<quant::NetworkInfo> parse_layer_list(std::string_view text, const std::string& source) {
  std::vector<quant::NetworkInfo> layers;
  std::map<std::string, int> lines;  // of the names
  std::string problems;
  std::istringstream in{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    try {
      const auto [earlier, is_new] = lines.emplace(words[0], number);
      if (!is_new)
        throw base::UserError(
            fmt::format("a second layer '{}', the first is in line {}", words[0], earlier->second));
      layers.push_back(layer_of(words));
    } catch (const base::UserError& error) {
      problems += fmt::format("{}{}:{}: {}", problems.empty() ? "" : "\n", source, number, error.what());
    }
  }
  if (!problems.empty()) throw base::UserError(problems);
  if (layers.empty())
    throw base::UserError(
        fmt::format("{}: no layers; a line of a layer list is: {}", source, fmt::join(kColumns, " ")));
  return layers;
}

std::vector<quant::NetworkInfo> read_layer_list(const std::filesystem::path& file) {
  return parse_layer_list(base::read_file(file, kMostBytes), file.string());
}

}  // namespace bitsmith::hwmodels
