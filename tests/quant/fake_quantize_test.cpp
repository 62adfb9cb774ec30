#include "quant/fake_quantize.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/fake_quantize_kernels.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

const FakeQuantizeKernels& of(base::Isa isa) {
  return pick_isa(isa, scalar::fake_quantize_kernels, avx2::fake_quantize_kernels,
                  avx512::fake_quantize_kernels);
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// Ordinary values, ties, edges, and everything that is not a number, in odd sizes.
std::vector<float> sample(std::size_t n, float scale, base::Rng& rng) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> special = {
      0.0f,          -0.0f, infinity, -infinity,
      std::nanf(""), 1e30f, -1e30f,   std::numeric_limits<float>::denorm_min(),
      1e-38f};
  std::vector<float> x(n);
  for (float& value : x) {
    const std::uint64_t kind = rng.below(10);
    if (kind == 0)
      value = special[rng.below(special.size())];
    else if (kind <= 3)
      value = scale * (static_cast<float>(rng.below(600)) - 300.0f) / 2;  // ties and integers
    else
      value = scale * static_cast<float>(rng.uniform(-300, 300));
  }
  return x;
}

struct Range {
  int bits;
  bool is_signed;
};

std::vector<Range> all_ranges() {
  std::vector<Range> ranges;
  for (const QuantizerRow& row : quantizer_rows())
    for (int bits = row.min_bits; bits <= row.max_bits; ++bits) ranges.push_back({bits, row.is_signed});
  return ranges;
}

template <typename Check>
void for_all(Check check) {
  base::Rng rng(11);
  for (base::Isa isa : base::available_isas())
    for (const Range& r : all_ranges())
      for (float scale : {1.0f, 0.0173f, 3e-20f})
        for (std::size_t n : {1u, 7u, 16u, 33u, 257u}) {
          BOOST_TEST_CONTEXT(base::isa_name(isa) << " " << r.bits << " bits, n = " << n)
          check(of(isa), integer_range(r.bits, r.is_signed), scale, sample(n, scale, rng));
        }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fake_quantization)

BOOST_AUTO_TEST_CASE(every_instruction_set_gives_the_references_bits) {
  for_all([](const FakeQuantizeKernels& k, IntegerRange range, float scale, const std::vector<float>& x) {
    const std::int64_t n = static_cast<std::int64_t>(x.size());
    std::vector<float> y(x.size());
    k.fake_quantize(x.data(), n, scale, static_cast<float>(range.low), static_cast<float>(range.high),
                    y.data());
    bool equal = true;
    for (std::size_t i = 0; i < x.size(); ++i)
      equal &= same_bits(y[i], fake_quantize_one(x[i], scale, range));
    BOOST_TEST(equal);
  });
}

BOOST_AUTO_TEST_CASE(every_instruction_set_gives_the_references_integers) {
  for_all([](const FakeQuantizeKernels& k, IntegerRange range, float scale, const std::vector<float>& x) {
    const std::int64_t n = static_cast<std::int64_t>(x.size());
    const float low = static_cast<float>(range.low), high = static_cast<float>(range.high);
    std::vector<std::uint8_t> u(x.size());
    std::vector<std::int8_t> s(x.size());
    std::vector<float> back(x.size());
    bool equal = true;
    if (range.low == 0) {
      k.quantize_u8(x.data(), n, scale, low, high, u.data());
      k.dequantize_u8(u.data(), n, scale, back.data());
    } else {
      k.quantize_s8(x.data(), n, scale, low, high, s.data());
      k.dequantize_s8(s.data(), n, scale, back.data());
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      equal &= (range.low == 0 ? int{u[i]} : int{s[i]}) == quantize_one(x[i], scale, range);
      equal &= same_bits(back[i], fake_quantize_one(x[i], scale, range));
    }
    BOOST_TEST(equal);
  });
}

BOOST_AUTO_TEST_CASE(gradients_pass_exactly_where_the_rounded_integer_is_in_range) {
  for_all([](const FakeQuantizeKernels& k, IntegerRange range, float scale, const std::vector<float>& x) {
    const std::int64_t n = static_cast<std::int64_t>(x.size());
    std::vector<float> dy(x.size()), dx(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) dy[i] = static_cast<float>(i) - 3.5f;
    k.backward(x.data(), n, scale, static_cast<float>(range.low), static_cast<float>(range.high), dy.data(),
               dx.data());
    bool equal = true;
    for (std::size_t i = 0; i < x.size(); ++i)
      equal &= dx[i] == (gradient_passes(x[i], scale, range) ? dy[i] : 0.0f);
    BOOST_TEST(equal);
  });
}

BOOST_AUTO_TEST_CASE(quantization_error_is_the_same_on_every_instruction_set) {
  base::Rng rng(12);
  for (std::size_t n : {1u, 15u, 16u, 1000u}) {
    std::vector<float> x(n), weight(n);
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(rng.normal());
      weight[i] = static_cast<float>(rng.below(1000));
    }
    const IntegerRange range = integer_range(3, true);
    double expected = 0;
    for (float v : x) expected += std::pow(static_cast<double>(fake_quantize_one(v, 0.3f, range) - v), 2);
    const auto error = [&](base::Isa isa, const float* weights) {
      return of(isa).error(x.data(), weights, static_cast<std::int64_t>(n), 0.3f, -3, 3);
    };
    const double plain = error(base::Isa::scalar, nullptr),
                 weighted = error(base::Isa::scalar, weight.data());
    // The reference here rounds its products to float.
    BOOST_TEST(plain == expected, boost::test_tools::tolerance(1e-6));
    for (base::Isa isa : base::available_isas()) {
      BOOST_TEST(error(isa, nullptr) == plain);
      BOOST_TEST(error(isa, weight.data()) == weighted);
    }
  }
}

BOOST_AUTO_TEST_CASE(min_and_max_see_every_element_and_every_nan) {
  for (base::Isa isa : base::available_isas())
    for (std::size_t n : {1u, 15u, 16u, 17u, 40u})
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> x(n, 1.0f);
        float low = 0, high = 0;
        x[at] = -5;
        of(isa).min_max(x.data(), static_cast<std::int64_t>(n), &low, &high);
        BOOST_TEST(low == -5);
        BOOST_TEST(high == (n == 1 ? -5.0f : 1.0f));
        x[at] = std::nanf("");
        of(isa).min_max(x.data(), static_cast<std::int64_t>(n), &low, &high);
        BOOST_TEST((std::isnan(low) && std::isnan(high)));
      }
  const float odd[] = {1, std::nanf(""), 2};
  BOOST_TEST(std::isinf(max_abs(odd, 3)));
  BOOST_TEST(max_abs(odd, 0) == 0);
  const float values[] = {1, -7, 2};
  BOOST_TEST(max_abs(values, 3) == 7);
}

BOOST_AUTO_TEST_CASE(the_output_may_be_the_input_and_channels_have_their_own_scales) {
  std::vector<float> w = {1, 2, 3, 10, 20, 30};
  const std::vector<float> scales = {1, 10};
  const auto expected = reference_fake_quantize(w, scales, {-2, 2});
  std::vector<float> gradient(6, 1.0f);
  fake_quantize_channels_backward(w.data(), 2, 3, scales.data(), -2, 2, gradient.data(), gradient.data());
  BOOST_TEST(gradient == (std::vector<float>{1, 1, 0, 1, 1, 0}), boost::test_tools::per_element());
  std::vector<std::int8_t> q(6);
  quantize_channels_s8(w.data(), 2, 3, scales.data(), -2, 2, q.data());
  BOOST_TEST(q == (std::vector<std::int8_t>{1, 2, 2, 1, 2, 2}), boost::test_tools::per_element());
  fake_quantize_channels(w.data(), 2, 3, scales.data(), -2, 2, w.data());
  BOOST_TEST(w == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
