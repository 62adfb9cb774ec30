#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "quant/base/random.hpp"
#include "quant/row_pad.hpp"
#include "tests/trainer/reference_network.hpp"
#include "trainer/layer.hpp"
#include "trainer/parts.hpp"
#include "trainer/tensor.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::NetworkBuilder;
using quant::Op;
using quant::Shape;
using quant::Window;
using test::Numbers;
using test::Values;

// fp32 sums of up to a few hundred products of order one, against float64.
constexpr double kForwardTolerance = 2e-5;
// Central differences of float64 are good to 1e-8 here; the rest is fp32 rounding of sums over a batch.
constexpr double kGradientTolerance = 2e-4;
constexpr double kDifference = 1e-5;

struct Case {
  std::string what;
  int batch, parts;
  Shape input;
  std::function<void(NetworkBuilder&)> build;  // exactly one node
};

Window window(int kh, int kw, int sh, int sw, int dh, int dw, int top, int left, int bottom, int right) {
  return {kh, kw, sh, sw, dh, dw, top, left, bottom, right};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"conv 3x3", 5, 2, {4, 6, 7}, [](auto& n) { n.conv("l", 0, 8, Window::square(3, 1, 1)); }},
      {"conv of one channel with bias",
       3,
       4,
       {1, 9, 8},
       [](auto& n) { n.conv("l", 0, 5, Window::square(3, 1, 1), 1, true); }},
      {"conv of 16 channels, strided",
       4,
       2,
       {16, 8, 8},
       [](auto& n) { n.conv("l", 0, 32, Window::square(3, 2, 1)); }},
      {"conv 1x1, strided, last row unused",
       2,
       2,
       {16, 8, 8},
       [](auto& n) { n.conv("l", 0, 16, Window::square(1, 2)); }},
      {"conv, grouped",
       3,
       2,
       {6, 5, 7},
       [](auto& n) { n.conv("l", 0, 9, Window::square(3, 2, 1), 3, true); }},
      {"conv, depthwise", 3, 3, {16, 6, 6}, [](auto& n) { n.conv("l", 0, 16, Window::square(3, 1, 1), 16); }},
      {"conv, depthwise, odd channels, strided",
       2,
       1,
       {21, 7, 5},
       [](auto& n) { n.conv("l", 0, 21, Window::square(3, 2, 1), 21, true); }},
      {"conv, depthwise with multiplier",
       2,
       1,
       {4, 5, 5},
       [](auto& n) { n.conv("l", 0, 8, Window::square(3, 1, 1), 4); }},
      {"conv, dilated", 2, 2, {3, 9, 9}, [](auto& n) { n.conv("l", 0, 4, Window::square(3, 1, 2, 2)); }},
      {"conv, dilated and strided",
       2,
       1,
       {5, 11, 9},
       [](auto& n) { n.conv("l", 0, 3, window(3, 2, 2, 1, 2, 3, 1, 2, 2, 1)); }},
      {"conv, every pad different",
       3,
       2,
       {3, 6, 5},
       [](auto& n) { n.conv("l", 0, 4, window(3, 3, 1, 1, 1, 1, 0, 2, 1, 0)); }},
      {"conv, even kernel, pads of one side",
       1,
       1,
       {2, 5, 6},
       [](auto& n) { n.conv("l", 0, 3, window(2, 4, 1, 2, 1, 1, 1, 0, 0, 1), 1, true); }},
      {"linear", 7, 3, {13, 1, 1}, [](auto& n) { n.linear("l", 0, 5); }},
      {"linear without bias, one sample", 1, 4, {32, 1, 1}, [](auto& n) { n.linear("l", 0, 10, false); }},
      {"batch norm of 16", 5, 2, {16, 3, 3}, [](auto& n) { n.batch_norm("l", 0); }},
      {"batch norm of 5", 3, 3, {5, 7, 5}, [](auto& n) { n.batch_norm("l", 0, 1e-3f); }},
      {"batch norm of 100, one pixel", 4, 2, {100, 1, 1}, [](auto& n) { n.batch_norm("l", 0); }},
      {"batch norm, one sample", 1, 4, {3, 4, 4}, [](auto& n) { n.batch_norm("l", 0); }},
      {"relu", 3, 2, {5, 3, 3}, [](auto& n) { n.relu("l", 0); }},
      {"relu6", 3, 2, {7, 3, 3}, [](auto& n) { n.relu6("l", 0); }},
      {"max pool", 3, 2, {5, 6, 6}, [](auto& n) { n.max_pool("l", 0, Window::square(2, 2)); }},
      {"max pool, overlapping, padded",
       2,
       2,
       {3, 7, 5},
       [](auto& n) { n.max_pool("l", 0, window(3, 2, 2, 1, 1, 1, 1, 1, 0, 0)); }},
      {"max pool, dilated", 2, 1, {2, 7, 7}, [](auto& n) { n.max_pool("l", 0, Window::square(2, 1, 0, 3)); }},
      {"average pool", 3, 2, {4, 6, 6}, [](auto& n) { n.average_pool("l", 0, Window::square(2, 2)); }},
      {"average pool, every pad different",
       2,
       2,
       {3, 5, 6},
       [](auto& n) { n.average_pool("l", 0, window(3, 3, 2, 1, 1, 1, 1, 0, 0, 2)); }},
      {"global average pool", 4, 3, {6, 5, 3}, [](auto& n) { n.global_average_pool("l", 0); }},
      {"add to itself", 3, 2, {4, 3, 2}, [](auto& n) { n.add("l", 0, 0); }},
      {"flatten", 3, 2, {4, 3, 2}, [](auto& n) { n.flatten("l", 0); }},
      {"average pool that counts padding",
       2,
       2,
       {3, 5, 6},
       [](auto& n) { n.average_pool("l", 0, window(3, 3, 2, 1, 1, 1, 1, 0, 0, 2), true); }},
      {"sigmoid", 3, 2, {5, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::sigmoid); }},
      {"hard sigmoid",
       3,
       2,
       {5, 3, 3},
       [](auto& n) { n.function("l", 0, quant::Function::hard_sigmoid, 0.4f, 0.3f); }},
      {"hard swish", 3, 2, {5, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::hard_swish); }},
      {"silu", 3, 2, {37, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::silu); }},
      {"leaky relu", 3, 2, {5, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::leaky_relu, 0.1f); }},
      {"clip", 3, 2, {5, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::clip, -0.7f, 0.4f); }},
      {"erf", 3, 2, {5, 3, 3}, [](auto& n) { n.function("l", 0, quant::Function::erf); }},
      {"prelu", 3, 2, {5, 3, 3}, [](auto& n) { n.prelu("l", 0); }},
      {"scale", 5, 3, {7, 3, 2}, [](auto& n) { n.scale("l", 0); }},
      {"multiply by itself", 3, 2, {5, 3, 3}, [](auto& n) { n.multiply("l", 0, 0); }},
      {"concat with itself", 3, 2, {5, 3, 3}, [](auto& n) { n.concat("l", 0, 0); }},
      {"slice", 3, 2, {7, 3, 3}, [](auto& n) { n.slice("l", 0, 2, 4); }},
      {"shuffle", 3, 2, {12, 3, 3}, [](auto& n) { n.shuffle("l", 0, 3); }},
      {"pad", 3, 2, {3, 4, 3}, [](auto& n) { n.pad("l", 0, 1, 0, 2, 3, 0.5f); }},
      {"pad of a row",
       3,
       2,
       {3, 4, 3},
       [](auto& n) { n.copy(quant::row_pad("l", 0, n.node(0), 1, 2, 0.5f)); }},
      {"resize", 3, 2, {3, 2, 3}, [](auto& n) { n.resize("l", 0, 3, 2); }},
      {"quantize, in an fp32 network", 3, 2, {4, 3, 2}, [](auto& n) { n.quantize("l", 0); }},
      {"layer norm of 16", 3, 2, {16, 3, 2}, [](auto& n) { n.layer_norm("l", 0); }},
      {"layer norm of 37, another epsilon", 2, 1, {37, 1, 2}, [](auto& n) { n.layer_norm("l", 0, 1e-2f); }},
      {"gelu", 3, 2, {7, 3, 3}, [](auto& n) { n.gelu("l", 0); }},
      {"softmax", 3, 2, {19, 2, 1}, [](auto& n) { n.softmax("l", 0); }},
      {"softmax of three groups", 2, 2, {12, 2, 2}, [](auto& n) { n.softmax("l", 0, 3); }},
      {"position", 5, 2, {4, 3, 2}, [](auto& n) { n.position("l", 0); }},
      {"matmul with itself transposed, two heads",
       3,
       2,
       {6, 3, 3},
       [](auto& n) { n.matmul("l", 0, 0, 2, true, 0.5f); }},
      {"matmul with itself, heads of as many channels as pixels",
       2,
       1,
       {18, 3, 2},
       [](auto& n) { n.matmul("l", 0, 0, 3, false, -1.5f); }},
  };
  return all;
}

/// One layer on its own, with random numbers, driven through its protocol.
class Bench {
 public:
  Bench(const Case& c, Activation activation)
      : batch_(c.batch),
        parts_(cut_into_parts(c.batch, c.parts)),
        info_(describe(c)),
        parameters_(make_parameters(info_, 3)),
        buffers_(make_buffers(info_)) {
    base::Rng rng(base::derive_seed(11, c.what));
    const auto draw = [&] { return rng.uniform(-1.0, 1.0); };
    for (Parameter& p : parameters_)
      for (float& v : p.value)
        v = static_cast<float>(p.name == "l.weight" && p.shape.size() == 1 ? 1.5 + draw() : draw());
    x.resize(c.batch, c.input);
    // ReLU6 and the activations need values on all three sides of their kinks.
    for (std::int64_t i = 0; i < x.elements(); ++i) x.data()[i] = static_cast<float>(4.0 * draw() + 1.0);
    y.resize(c.batch, node().output);
    dy.resize(c.batch, node().output);
    dx.resize(c.batch, c.input);
    second_dx_.resize(c.batch, c.input);
    for (std::int64_t i = 0; i < dy.elements(); ++i) dy.data()[i] = static_cast<float>(draw());
    LayerArguments arguments{.info = info_, .node = node()};
    arguments.activation = activation;
    for (Parameter& p : parameters_) (p.name == "l.weight" ? arguments.weight : arguments.bias) = &p;
    if (node().op == Op::quantize) {
      arguments.scale = &buffers_[0];
    } else if (!buffers_.empty()) {
      arguments.running_mean = &buffers_[0];
      arguments.running_var = &buffers_[1];
    }
    arguments.quantization = &quantization_;
    layer_ = layer_row(node().op).make(arguments);
  }

  void run() {
    const int parts = static_cast<int>(parts_.size());
    layer_->reserve(parts, part_sizes(parts_), true);
    std::int64_t scratch = 1;
    for (const Part& part : parts_) scratch = std::max(scratch, layer_->scratch_floats(part.samples, true));
    scratch_.resize(1, {static_cast<int>(scratch), 1, 1});
    layer_->prepare(Mode::train);
    if (layer_->gathers(Mode::train)) {
      for (int p = 0; p < parts; ++p) layer_->gather(forward_part(p));
      layer_->reduce(parts, Mode::train);
    }
    for (int p = 0; p < parts; ++p) layer_->forward(forward_part(p));
    if (layer_->gradient_style() == GradientStyle::pass_through) {
      dx.copy_from(dy);
      return;
    }
    if (layer_->gathers_backward()) {
      for (int p = 0; p < parts; ++p) layer_->gather_backward(backward_part(p));
      layer_->reduce_backward(parts);
    }
    for (int p = 0; p < parts; ++p) layer_->backward(backward_part(p));
    layer_->finish_backward(parts);
    if (gives_each())
      std::transform(dx.data(), dx.data() + dx.elements(), second_dx_.data(), dx.data(), std::plus());
  }
  /// Backward once more, part by part in calls of one sample.
  void run_backward_by_samples() {
    const int parts = static_cast<int>(parts_.size());
    for (int p = 0; p < parts; ++p)
      for (int i = 0; i < parts_[static_cast<std::size_t>(p)].samples; ++i) {
        const int n = parts_[static_cast<std::size_t>(p)].first + i;
        BackwardPart part = backward_part(p);
        part.samples = 1;
        part.x[0] = part.x[1] = x.sample(n);
        part.y = y.sample(n);
        part.dy = dy.sample(n);
        part.dx[0] = dx.sample(n);
        part.first = i == 0;
        layer_->backward(part);
      }
    layer_->finish_backward(parts);
  }

  const quant::Node& node() const { return info_.nodes[1]; }
  Numbers numbers() const {
    Numbers all;
    for (const Parameter& p : parameters_) all[p.name] = Values(p.value.begin(), p.value.end());
    return all;
  }
  Values input() const { return {x.data(), x.data() + x.elements()}; }

  Values reference(const Values& images, const Numbers& numbers, Activation activation) const {
    Values out = test::reference_forward(info_, batch_, images, numbers, Mode::train);
    for (double& v : out)
      v = std::clamp(v, static_cast<double>(activation.low), static_cast<double>(activation.high));
    return out;
  }
  /// Sum of dy * y: its gradient is what the layer shall give.
  double objective(const Values& images, const Numbers& numbers, Activation activation) const {
    const Values out = reference(images, numbers, activation);
    double sum = 0.0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * static_cast<double>(dy.data()[i]);
    return sum;
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::vector<Buffer>& buffers() { return buffers_; }
  /// How often the one input's gradient is there once dx[0], or the sum of dx[0] and dx[1], is counted.
  int inputs() const { return gives_each() ? 1 : static_cast<int>(node().inputs.size()); }

  Tensor x, y, dy, dx;

 private:
  bool gives_each() const { return layer_->gradient_style() == GradientStyle::writes_each; }
  static quant::NetworkInfo describe(const Case& c) {
    NetworkBuilder builder("one", c.input);
    c.build(builder);
    return std::move(builder).build();
  }
  ForwardPart forward_part(int p) {
    const Part& range = parts_[static_cast<std::size_t>(p)];
    ForwardPart part;
    part.part = p;
    part.samples = range.samples;
    part.x[0] = part.x[1] = x.sample(range.first);
    part.y = y.sample(range.first);
    part.scratch = scratch_.data();
    return part;
  }
  BackwardPart backward_part(int p) {
    const Part& range = parts_[static_cast<std::size_t>(p)];
    BackwardPart part;
    part.part = p;
    part.samples = range.samples;
    part.x[0] = part.x[1] = x.sample(range.first);
    part.y = y.sample(range.first);
    part.dy = dy.sample(range.first);
    part.dx[0] = dx.sample(range.first);
    part.dx[1] = gives_each() ? second_dx_.sample(range.first) : nullptr;
    part.scratch = scratch_.data();
    return part;
  }

  int batch_;
  std::vector<Part> parts_;
  quant::NetworkInfo info_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
  LayerQuantization quantization_;
  std::unique_ptr<Layer> layer_;
  Tensor scratch_, second_dx_;
};

void check_close(double got, double expected, double tolerance, const std::string& what) {
  const double error = std::abs(got - expected) / (1.0 + std::abs(expected));
  if (error > tolerance) BOOST_ERROR(what << ": got " << got << ", expected " << expected);
}

void check_layer(const Case& c, Activation activation) {
  BOOST_TEST_CONTEXT(c.what << ", activation up to " << activation.high) {
    Bench bench(c, activation);
    bench.run();
    const Values out = bench.reference(bench.input(), bench.numbers(), activation);
    for (std::size_t i = 0; i < out.size(); ++i)
      check_close(static_cast<double>(bench.y.data()[i]), out[i], kForwardTolerance,
                  "y[" + std::to_string(i) + "]");

    Values images = bench.input();
    Numbers numbers = bench.numbers();
    for (std::size_t i = 0; i < images.size(); ++i) {
      const double kept = images[i];
      images[i] = kept + kDifference;
      const double above = bench.objective(images, numbers, activation);
      images[i] = kept - kDifference;
      const double below = bench.objective(images, numbers, activation);
      images[i] = kept;
      // Both inputs of an add are the same tensor here: each gets the gradient once.
      const double expected = (above - below) / (2.0 * kDifference) / bench.inputs();
      check_close(static_cast<double>(bench.dx.data()[i]), expected, kGradientTolerance,
                  "dx[" + std::to_string(i) + "]");
    }

    for (const Parameter& p : bench.parameters())
      for (std::size_t i = 0; i < p.value.size(); ++i) {
        const double kept = numbers[p.name][i];
        numbers[p.name][i] = kept + kDifference;
        const double above = bench.objective(images, numbers, activation);
        numbers[p.name][i] = kept - kDifference;
        const double below = bench.objective(images, numbers, activation);
        numbers[p.name][i] = kept;
        const double expected = (above - below) / (2.0 * kDifference);
        check_close(static_cast<double>(p.gradient[i]), expected, kGradientTolerance,
                    p.name + "[" + std::to_string(i) + "]");
      }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_gradients)

BOOST_AUTO_TEST_CASE(every_layer_agrees_with_float64_forward_and_with_its_numeric_gradient) {
  for (const Case& c : cases()) check_layer(c, {});
}

BOOST_AUTO_TEST_CASE(activations_taken_in_agree_with_float64_too) {
  for (const Case& c : cases()) {
    NetworkBuilder builder("one", c.input);
    c.build(builder);
    if (!layer_row(std::move(builder).build().nodes[1].op).fuses_activation) continue;
    check_layer(c, Activation::relu());
    check_layer(c, Activation::relu6());
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_parameters_add_up_over_the_calls_of_a_part) {
  for (const Case& c : cases()) {
    NetworkBuilder builder("one", c.input);
    c.build(builder);
    const Op op = std::move(builder).build().nodes[1].op;
    if (op != Op::layer_norm && op != Op::position) continue;
    BOOST_TEST_CONTEXT(c.what) {
      Bench bench(c, {});
      bench.run();
      const std::vector<Parameter> at_once = bench.parameters();
      bench.run_backward_by_samples();
      for (std::size_t p = 0; p < at_once.size(); ++p)
        for (std::size_t i = 0; i < at_once[p].gradient.size(); ++i)
          BOOST_TEST(bench.parameters()[p].gradient[i] == at_once[p].gradient[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_row_of_the_layer_table_has_a_case) {
  std::set<Op> covered;
  for (const Case& c : cases()) {
    NetworkBuilder builder("one", c.input);
    c.build(builder);
    covered.insert(std::move(builder).build().nodes[1].op);
  }
  for (const LayerRow& row : layer_table()) BOOST_TEST(covered.contains(row.op), quant::op_name(row.op));
}

BOOST_AUTO_TEST_CASE(a_quantize_node_with_a_scale_rounds_and_stops_the_gradient_of_what_it_clips) {
  const Case quantize{"quantize", 1, 1, {4, 1, 1}, [](auto& n) { n.quantize("l", 0); }};
  Bench bench(quantize, {});
  bench.buffers()[0].value[0] = 0.5f;
  const float values[] = {0.7f, -0.8f, 63.6f, -100.0f};
  const float rounded[] = {0.5f, -1.0f, 63.5f, -63.5f};  // of -127 .. 127 steps
  std::copy_n(values, 4, bench.x.data());
  bench.run();
  for (int i = 0; i < 4; ++i) {
    BOOST_TEST(bench.y.data()[i] == rounded[i]);
    BOOST_TEST(bench.dx.data()[i] == (i == 3 ? 0.0f : bench.dy.data()[i]));
  }
}

BOOST_AUTO_TEST_CASE(kinks_pass_no_gradient_and_the_first_of_equal_maxima_gets_all_of_it) {
  const Case relu{"relu at 0", 1, 1, {2, 1, 1}, [](auto& n) { n.relu("l", 0); }};
  Bench at_zero(relu, {});
  std::fill_n(at_zero.x.data(), 2, 0.0f);
  at_zero.run();
  BOOST_TEST(at_zero.dx.data()[0] == 0.0f);

  const Case relu6{"relu6 at 6", 1, 1, {2, 1, 1}, [](auto& n) { n.relu6("l", 0); }};
  Bench at_six(relu6, {});
  std::fill_n(at_six.x.data(), 2, 6.0f);
  at_six.run();
  BOOST_TEST(at_six.dx.data()[0] == 0.0f);

  const Case pool{"ties", 1, 1, {1, 2, 2}, [](auto& n) { n.max_pool("l", 0, Window::square(2)); }};
  Bench ties(pool, {});
  std::fill_n(ties.x.data(), 4, 3.0f);
  ties.run();
  BOOST_TEST(ties.dx.data()[0] == ties.dy.data()[0]);
  for (int i = 1; i < 4; ++i) BOOST_TEST(ties.dx.data()[i] == 0.0f);
}

BOOST_AUTO_TEST_SUITE_END()
