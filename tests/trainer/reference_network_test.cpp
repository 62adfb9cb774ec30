#include "tests/trainer/reference_network.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitsmith::trainer::test {
namespace {

using quant::Node;
using quant::Op;
using quant::Shape;

std::size_t at(const Shape& s, int n, int h, int w, int c) {
  return static_cast<std::size_t>(((std::int64_t{n} * s.height + h) * s.width + w) * s.channels + c);
}

/// Calls visit(n, h, w, c) for every value of a batch.
template <typename Visit>
void each(int batch, const Shape& s, const Visit& visit) {
  for (int n = 0; n < batch; ++n)
    for (int h = 0; h < s.height; ++h)
      for (int w = 0; w < s.width; ++w)
        for (int c = 0; c < s.channels; ++c) visit(n, h, w, c);
}

/// Calls visit(kernel row, kernel column, h, w) for the taps of an output's window that lie on the image.
template <typename Visit>
void each_tap(const quant::Window& k, const Shape& in, int out_h, int out_w, const Visit& visit) {
  for (int i = 0; i < k.kernel_h; ++i)
    for (int j = 0; j < k.kernel_w; ++j) {
      const int h = out_h * k.stride_h - k.pad_top + i * k.dilation_h;
      const int w = out_w * k.stride_w - k.pad_left + j * k.dilation_w;
      if (h >= 0 && h < in.height && w >= 0 && w < in.width) visit(i, j, h, w);
    }
}

Values conv(const Node& node, const Shape& in, int batch, const Values& x, const Numbers& numbers) {
  const Values& weight = numbers.at(node.name + ".weight");
  Values y(static_cast<std::size_t>(batch * node.output.elements()));
  const int group_in = in.channels / node.groups, group_out = node.output.channels / node.groups;
  each(batch, node.output, [&](int n, int h, int w, int o) {
    double sum = node.bias ? numbers.at(node.name + ".bias")[static_cast<std::size_t>(o)] : 0.0;
    each_tap(node.window, in, h, w, [&](int i, int j, int ih, int iw) {
      for (int c = 0; c < group_in; ++c) {
        const int tap = ((o * group_in + c) * node.window.kernel_h + i) * node.window.kernel_w + j;
        sum += weight[static_cast<std::size_t>(tap)] * x[at(in, n, ih, iw, o / group_out * group_in + c)];
      }
    });
    y[at(node.output, n, h, w, o)] = sum;
  });
  return y;
}

Values linear(const Node& node, const Shape& in, int batch, const Values& x, const Numbers& numbers) {
  const Values& weight = numbers.at(node.name + ".weight");
  Values y(static_cast<std::size_t>(batch * node.output.elements()));
  each(batch, node.output, [&](int n, int, int, int o) {
    double sum = node.bias ? numbers.at(node.name + ".bias")[static_cast<std::size_t>(o)] : 0.0;
    for (int c = 0; c < in.channels; ++c)
      sum += weight[static_cast<std::size_t>(o * in.channels + c)] * x[at(in, n, 0, 0, c)];
    y[at(node.output, n, 0, 0, o)] = sum;
  });
  return y;
}

Values batch_norm(const Node& node, int batch, const Values& x, const Numbers& numbers, Mode mode) {
  const Shape& s = node.output;
  const auto channels = static_cast<std::size_t>(s.channels);
  const double count = static_cast<double>(batch) * s.height * s.width;
  Values mean(channels), variance(channels);
  if (mode == Mode::evaluate) {
    mean = numbers.at(node.name + ".running_mean");
    variance = numbers.at(node.name + ".running_var");
  } else {
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / count;
    for (std::size_t i = 0; i < x.size(); ++i)
      variance[i % channels] += (x[i] - mean[i % channels]) * (x[i] - mean[i % channels]) / count;
  }
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % channels;
    y[i] = (x[i] - mean[c]) / std::sqrt(variance[c] + static_cast<double>(node.epsilon)) *
               numbers.at(node.name + ".weight")[c] +
           numbers.at(node.name + ".bias")[c];
  }
  return y;
}

Values pool(const Node& node, const Shape& in, int batch, const Values& x) {
  Values y(static_cast<std::size_t>(batch * node.output.elements()));
  quant::Window window = node.window;
  if (node.op == Op::global_average_pool) window = {in.height, in.width};
  each(batch, node.output, [&](int n, int h, int w, int c) {
    double sum = 0.0, most = -std::numeric_limits<double>::infinity();
    int count = 0;
    each_tap(window, in, h, w, [&](int, int, int ih, int iw) {
      sum += x[at(in, n, ih, iw, c)];
      most = std::max(most, x[at(in, n, ih, iw, c)]);
      ++count;
    });
    y[at(node.output, n, h, w, c)] =
        node.op == Op::max_pool ? most
                                : sum / (node.counts_padding ? window.kernel_h * window.kernel_w : count);
  });
  return y;
}

Values flatten(const Shape& in, int batch, const Values& x) {
  Values y(x.size());
  each(batch, in, [&](int n, int h, int w, int c) {
    const auto feature = (std::int64_t{c} * in.height + h) * in.width + w;
    y[static_cast<std::size_t>(n * in.elements() + feature)] = x[at(in, n, h, w, c)];
  });
  return y;
}

Values layer_norm(const Node& node, const Values& x, const Numbers& numbers) {
  const auto channels = static_cast<std::size_t>(node.output.channels);
  Values y(x.size());
  for (std::size_t first = 0; first < x.size(); first += channels) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < channels; ++c) mean += x[first + c] / node.output.channels;
    for (std::size_t c = 0; c < channels; ++c)
      variance += (x[first + c] - mean) * (x[first + c] - mean) / node.output.channels;
    for (std::size_t c = 0; c < channels; ++c)
      y[first + c] = (x[first + c] - mean) / std::sqrt(variance + static_cast<double>(node.epsilon)) *
                         numbers.at(node.name + ".weight")[c] +
                     numbers.at(node.name + ".bias")[c];
  }
  return y;
}

Values softmax(const Node& node, const Values& x) {
  const auto run = static_cast<std::size_t>(node.output.channels / node.groups);
  Values y(x.size());
  for (std::size_t first = 0; first < x.size(); first += run) {
    double sum = 0;
    for (std::size_t i = first; i < first + run; ++i) sum += std::exp(x[i]);
    for (std::size_t i = first; i < first + run; ++i) y[i] = std::exp(x[i]) / sum;
  }
  return y;
}

/// Attention's products, written with tokens: pixel h * width + w.
Values matmul(const Node& node, const Shape& left, const Shape& right, int batch, const Values& a,
              const Values& b) {
  const int rows = left.height * left.width, tokens = right.height * right.width;
  const int depth = right.channels / node.groups, outputs = node.transpose ? tokens : depth;
  const int inner = node.transpose ? depth : tokens;
  Values y(static_cast<std::size_t>(batch * node.output.elements()));
  for (int n = 0; n < batch; ++n)
    for (int head = 0; head < node.groups; ++head)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < outputs; ++j) {
          double sum = 0;
          for (int k = 0; k < inner; ++k) {
            const int token = node.transpose ? j : k, channel = node.transpose ? k : j;
            sum +=
                a[static_cast<std::size_t>((n * rows + i) * left.channels + head * inner + k)] *
                b[static_cast<std::size_t>((n * tokens + token) * right.channels + head * depth + channel)];
          }
          y[static_cast<std::size_t>((n * rows + i) * node.output.channels + head * outputs + j)] =
              sum * static_cast<double>(node.factor);
        }
  return y;
}

Values clamp(const Values& x, double high) {
  Values y(x);
  for (double& v : y) v = std::clamp(v, 0.0, high);
  return y;
}

}  // namespace

Values reference_node(const quant::NetworkInfo& info, const Node& node, int batch,
                      const std::vector<const Values*>& inputs, const Numbers& numbers, Mode mode) {
  const Shape& in = info.nodes[static_cast<std::size_t>(node.inputs[0])].output;
  const Values& x = *inputs[0];
  switch (node.op) {
    case Op::input:
      break;
    case Op::conv:
      return conv(node, in, batch, x, numbers);
    case Op::linear:
      return linear(node, in, batch, x, numbers);
    case Op::batch_norm:
      return batch_norm(node, batch, x, numbers, mode);
    case Op::relu:
      return clamp(x, std::numeric_limits<double>::infinity());
    case Op::relu6:
      return clamp(x, 6.0);
    case Op::max_pool:
    case Op::average_pool:
    case Op::global_average_pool:
      return pool(node, in, batch, x);
    case Op::add: {
      Values y(x);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += (*inputs[1])[i];
      return y;
    }
    case Op::flatten:
      return flatten(in, batch, x);
    case Op::quantize:
      return x;  // an fp32 network
    case Op::layer_norm:
      return layer_norm(node, x, numbers);
    case Op::gelu: {
      Values y(x);
      for (double& v : y) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
      return y;
    }
    case Op::softmax:
      return softmax(node, x);
    case Op::matmul:
      return matmul(node, in, info.nodes[static_cast<std::size_t>(node.inputs[1])].output, batch, x,
                    *inputs[1]);
    case Op::function:
    case Op::prelu:
    case Op::scale:
    case Op::multiply:
    case Op::concat:
    case Op::slice:
    case Op::shuffle:
    case Op::pad:
    case Op::resize:
      return reference_image_node(info, node, batch, inputs, numbers);
    case Op::position: {
      const Values& p = numbers.at(node.name + ".weight");
      Values y(x);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += p[i % p.size()];
      return y;
    }
  }
  return {};
}

Values reference_forward(const quant::NetworkInfo& info, int batch, const Values& images,
                         const Numbers& numbers, Mode mode) {
  std::vector<Values> values(info.nodes.size());
  values[0] = images;
  for (std::size_t i = 1; i < info.nodes.size(); ++i) {
    std::vector<const Values*> inputs;
    for (int from : info.nodes[i].inputs) inputs.push_back(&values[static_cast<std::size_t>(from)]);
    values[i] = reference_node(info, info.nodes[i], batch, inputs, numbers, mode);
  }
  return values.back();
}

}  // namespace bitsmith::trainer::test

using namespace bitsmith;

BOOST_AUTO_TEST_SUITE(reference_network)

BOOST_AUTO_TEST_CASE(the_reference_convolution_agrees_with_one_done_by_hand) {
  quant::NetworkBuilder net("hand", {1, 1, 3});
  net.conv("c", net.input(), 1, {1, 2, 1, 1, 1, 1, 0, 0, 0, 1}, 1, true);
  const auto info = std::move(net).build();
  const trainer::test::Numbers numbers{{"c.weight", {10.0, 1.0}}, {"c.bias", {0.5}}};
  const auto y = trainer::test::reference_forward(info, 1, {1.0, 2.0, 3.0}, numbers, trainer::Mode::train);
  const std::vector<double> expected{12.5, 23.5, 30.5};  // the last window hangs over the right edge
  BOOST_TEST(y == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
