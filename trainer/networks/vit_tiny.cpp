#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "trainer/networks/blocks.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {
namespace {

constexpr int kHeads = 4, kBlocks = 4, kExpansion = 2;

/// A linear layer of each token.
int of_tokens(quant::NetworkBuilder& net, const std::string& name, int from, int channels) {
  return net.conv(name, from, channels, quant::Window::square(1), 1, /*bias=*/true);
}

/// Vaswani et al. 2017, section 3.2. Both products are of 8-bit integers where the network is quantized.
int attention(quant::NetworkBuilder& net, const std::string& prefix, int from) {
  const int channels = net.shape(from).channels;
  const auto operand = [&](const std::string& name) {
    return net.quantize(prefix + name + ".quantize", of_tokens(net, prefix + name, from, channels));
  };
  const int query = operand("query"), key = operand("key"), value = operand("value");
  const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(channels) / kHeads));
  const int scores = net.matmul(prefix + "scores", query, key, kHeads, /*transpose=*/true, factor);
  const int shares =
      net.quantize(prefix + "softmax.quantize", net.softmax(prefix + "softmax", scores, kHeads));
  const int mixed = net.matmul(prefix + "mix", shares, value, kHeads, /*transpose=*/false);
  return of_tokens(net, prefix + "project", mixed, channels);
}

int feed_forward(quant::NetworkBuilder& net, const std::string& prefix, int from) {
  const int channels = net.shape(from).channels;
  const int hidden = of_tokens(net, prefix + "expand", from, kExpansion * channels);
  return of_tokens(net, prefix + "project", net.gelu(prefix + "gelu", hidden), channels);
}

int block(quant::NetworkBuilder& net, const std::string& prefix, int from) {
  int x = net.layer_norm(prefix + "norm1", from);
  x = net.add(prefix + "add1", from, attention(net, prefix + "attention.", x));
  const int normed = net.layer_norm(prefix + "norm2", x);
  return net.add(prefix + "add2", x, feed_forward(net, prefix + "mlp.", normed));
}

int patch_size(const quant::Shape& input) {
  const int side = std::min(input.height, input.width);
  return side < 64 ? 4 : side < kLargeInput ? 8 : 16;
}

}  // namespace

/// A small transformer as Dosovitskiy et al. 2021 build them, with the mean over all tokens in place of a
/// class token: 64 channels, 4 heads, 4 blocks with an MLP of twice the width. Tokens are patches of 4x4
/// pixels below 64 pixels, 8x8 below 128 and 16x16 from there on; black is added on the right and below where
/// they do not fit.
quant::NetworkInfo build_vit_tiny(const NetworkArguments& arguments) {
  const int patch = patch_size(arguments.input);
  const auto missing = [&](int size) { return (patch - size % patch) % patch; };
  quant::NetworkBuilder net("vit_tiny", arguments.input);
  int x = net.conv("patches", net.input(), scaled_channels(64, arguments.width),
                   {patch, patch, patch, patch, 1, 1, 0, 0, missing(arguments.input.height),
                    missing(arguments.input.width)},
                   1, /*bias=*/true);
  x = net.position("position", x);
  for (int i = 0; i < kBlocks; ++i) x = block(net, fmt::format("block{}.", i), x);
  classifier(net, net.layer_norm("norm", x), arguments.classes);
  return std::move(net).build();
}

}  // namespace bitsmith::trainer
