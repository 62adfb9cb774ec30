#include <array>
#include <boost/test/unit_test.hpp>

#include "quant/base/random.hpp"
#include "tests/trainer/onnx/backend_suite.hpp"
#include "trainer/onnx/operators/types.hpp"

/// Nodes of ONNX's test suite with something wrong: whatever it is, the answer is tensors or a UserError.
/// Anything else (another exception, a crash, a read past the end under the address sanitizer) fails.
namespace {
using namespace bitsmith;
using namespace bitsmith::trainer::onnx;

constexpr std::int64_t kFewElements = 1 << 14;
constexpr std::int64_t kOdd[] = {0,
                                 1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 5,
                                 7,
                                 -9,
                                 64,
                                 1000,
                                 std::int64_t{1} << 30,
                                 (std::int64_t{1} << 31) - 1,
                                 -(std::int64_t{1} << 31),
                                 std::int64_t{1} << 40,
                                 -(std::int64_t{1} << 40),
                                 std::numeric_limits<std::int64_t>::max(),
                                 std::numeric_limits<std::int64_t>::min()};
constexpr float kOddReals[] = {0,
                               -1,
                               0.5F,
                               1e-40F,
                               1e30F,
                               -1e30F,
                               std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};

class Spoiler {
 public:
  explicit Spoiler(std::uint64_t seed) : rng_(seed) {}

  void spoil(Node& node, std::int64_t& opset, std::vector<Tensor>& inputs, std::vector<bool>& is_there) {
    switch (rng_.below(8)) {
      case 0:
        opset = 9 + static_cast<std::int64_t>(rng_.below(13));
        break;
      case 1:
      case 2:
      case 3:
        if (!node.attributes.empty())
          spoil(std::next(node.attributes.begin(), pick(node.attributes.size()))->second, node);
        break;
      case 8:
        add_attribute(node);
        break;
      case 4:
        if (!inputs.empty()) is_there[pick(inputs.size())] = false;
        break;
      case 5:
        node.outputs.resize(rng_.below(4), "more");
        break;
      default:
        if (!inputs.empty()) spoil(inputs[pick(inputs.size())]);
    }
  }

 private:
  std::size_t pick(std::size_t count) { return rng_.below(count); }
  template <typename T, std::size_t N>
  T one_of(const T (&values)[N]) {
    return values[rng_.below(N)];
  }

  void add_attribute(Node& node) {
    constexpr const char* kIntegers[] = {"axis",         "group",
                                         "ceil_mode",    "storage_order",
                                         "block_size",   "blocksize",
                                         "keepdims",     "count_include_pad",
                                         "num_outputs",  "to",
                                         "start",        "end",
                                         "output_dtype", "exclude_outside",
                                         "fmod",         "select_last_index",
                                         "transA",       "detect_positive",
                                         "allowzero",    "noop_with_empty_axes"};
    constexpr const char* kLists[] = {"axes", "dilations", "strides", "pads", "kernel_shape",
                                      "perm", "starts",    "ends",    "split"};
    constexpr const char* kWords[][2] = {{"auto_pad", "SAME_UPPER"},
                                         {"auto_pad", "SAME_LOWER"},
                                         {"auto_pad", "VALID"},
                                         {"mode", "linear"},
                                         {"mode", "cubic"},
                                         {"mode", "reflect"},
                                         {"mode", "wrap"},
                                         {"mode", "edge"},
                                         {"mode", "CRD"},
                                         {"coordinate_transformation_mode", "tf_crop_and_resize"},
                                         {"coordinate_transformation_mode", "half_pixel_symmetric"},
                                         {"keep_aspect_ratio_policy", "not_larger"}};
    Attribute attribute;
    const std::uint64_t kind = rng_.below(3);
    if (kind == 0) {
      attribute.kind = Attribute::Kind::integer;
      attribute.integer = one_of(kOdd);
      node.attributes[kIntegers[pick(std::size(kIntegers))]] = attribute;
    } else if (kind == 1) {
      attribute.kind = Attribute::Kind::integers;
      for (std::uint64_t n = rng_.below(7); n > 0; --n)
        attribute.integers.push_back(rng_.below(3) == 0 ? one_of(kOdd)
                                                        : static_cast<std::int64_t>(rng_.below(4)));
      node.attributes[kLists[pick(std::size(kLists))]] = attribute;
    } else {
      const auto& [name, word] = kWords[pick(std::size(kWords))];
      attribute.kind = Attribute::Kind::string;
      attribute.string = word;
      node.attributes[name] = attribute;
    }
  }

  void spoil(Attribute& attribute, Node& node) {
    using Kind = Attribute::Kind;
    switch (rng_.below(6)) {
      case 0:
        attribute.kind = static_cast<Kind>(rng_.below(8));
        break;
      case 1:
        node.attributes.erase(node.attributes.begin());
        break;
      case 2:
        if (attribute.kind == Kind::tensor) spoil(attribute.tensor);
        attribute.integers.resize(rng_.below(6), one_of(kOdd));
        attribute.string += "?";
        break;
      default:
        attribute.integer = one_of(kOdd);
        attribute.real = one_of(kOddReals);
        if (!attribute.integers.empty()) attribute.integers[pick(attribute.integers.size())] = one_of(kOdd);
        if (attribute.kind == Kind::tensor) spoil(attribute.tensor);
    }
  }

  void spoil(Tensor& tensor) {
    switch (rng_.below(5)) {
      case 0:
        resize(tensor);
        break;
      case 1:  // as many bytes of another type
        tensor.type = one_of({ElementType::float32, ElementType::uint8, ElementType::int8, ElementType::int16,
                              ElementType::int32, ElementType::int64, ElementType::boolean,
                              ElementType::float16, ElementType::float64, ElementType::uint64,
                              ElementType::bfloat16, ElementType::uint4, ElementType::int4});
        resize(tensor);
        break;
      default:
        for (int times = 0; times < 2; ++times) spoil_value(tensor);
    }
  }
  template <std::size_t N>
  ElementType one_of(const ElementType (&values)[N]) {
    return values[rng_.below(N)];
  }

  /// Other dims, and bytes that fit them.
  void resize(Tensor& tensor) {
    if (tensor.dims.empty() || rng_.below(4) == 0) {
      tensor.dims.insert(tensor.dims.begin() + static_cast<std::ptrdiff_t>(pick(tensor.dims.size() + 1)),
                         static_cast<std::int64_t>(rng_.below(3)));
    } else if (rng_.below(3) == 0) {
      tensor.dims.erase(tensor.dims.begin() + static_cast<std::ptrdiff_t>(pick(tensor.dims.size())));
    } else {
      tensor.dims[pick(tensor.dims.size())] = static_cast<std::int64_t>(rng_.below(9));
    }
    tensor.bytes.resize(bytes_of(tensor.type, tensor.elements()));
    if (tensor.type == ElementType::boolean)
      for (std::byte& value : tensor.bytes) value &= std::byte{1};
  }

  void spoil_value(Tensor& tensor) {
    if (tensor.bytes.empty()) return;
    if (tensor.type == ElementType::int64) {
      auto values = tensor.as<std::int64_t>();
      values[pick(values.size())] = one_of(kOdd);
    } else if (tensor.type == ElementType::float32) {
      auto values = tensor.as<float>();
      values[pick(values.size())] = one_of(kOddReals);
    } else if (tensor.type != ElementType::boolean) {
      tensor.bytes[pick(tensor.bytes.size())] = std::byte(rng_.below(256));
    }
  }

  base::Rng rng_;
};

/// Nodes that are a whole case: their inputs are known.
struct Example {
  std::string name;
  std::int64_t opset;
  Node node;
  std::vector<Tensor> inputs;
  std::vector<bool> is_there;
};

std::vector<Example> examples() {
  std::vector<Example> found;
  for (const tests::SuiteCase& suite_case : tests::backend_suite()) {
    if (suite_case.proto.graph().node_size() != 1 || !find_operator("", *suite_case.operators.begin()))
      continue;
    try {
      const Model model = suite_case.model();
      Example example{suite_case.name, model.opset, model.graph.nodes[0], {}, {}};
      const auto inputs = suite_case.inputs(model);
      for (const std::string& name : example.node.inputs) {
        example.is_there.push_back(inputs.contains(name));
        example.inputs.push_back(inputs.contains(name) ? inputs.at(name) : Tensor{});
      }
      found.push_back(std::move(example));
    } catch (const base::UserError&) {  // of types that are not read
    }
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_operator_fuzz)

BOOST_AUTO_TEST_CASE(whatever_is_wrong_with_a_node_is_a_message) {
  const std::vector<Example> all = examples();
  BOOST_REQUIRE_GT(all.size(), 400);
  int computed = 0, refused = 0;
  for (const Example& example : all) {
    constexpr std::uint64_t kTimes = 60;
    for (std::uint64_t seed = 0; seed < kTimes; ++seed) {
      Spoiler spoiler(base::derive_seed(1, example.name, seed));
      Example spoilt = example;
      for (std::uint64_t changes = 0; changes <= seed % 3; ++changes)
        spoiler.spoil(spoilt.node, spoilt.opset, spoilt.inputs, spoilt.is_there);
      std::vector<const Tensor*> inputs;
      for (std::size_t i = 0; i < spoilt.inputs.size(); ++i)
        inputs.push_back(spoilt.is_there[i] ? &spoilt.inputs[i] : nullptr);
      try {
        for (const Tensor& output : compute_node(spoilt.node, spoilt.opset, inputs, kFewElements)) {
          if (output.type == ElementType::undefined) continue;
          BOOST_REQUIRE_EQUAL(output.bytes.size(), bytes_of(output.type, output.elements()));
        }
        ++computed;
      } catch (const base::UserError&) {
        ++refused;
      } catch (const std::exception& error) {
        BOOST_ERROR(example.name << ", seed " << seed << ": " << error.what());
      }
    }
  }
  BOOST_CHECK_GT(computed, 5000);
  BOOST_CHECK_GT(refused, 5000);
}

BOOST_AUTO_TEST_SUITE_END()
