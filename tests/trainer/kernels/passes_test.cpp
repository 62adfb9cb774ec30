#include "trainer/kernels/passes.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

const Passes& passes_of(base::Isa isa) {
  switch (isa) {
    case base::Isa::avx512:
      return avx512::passes;
    case base::Isa::avx2:
      return avx2::passes;
    case base::Isa::scalar:
      break;
  }
  return scalar::passes;
}

std::vector<float> draw(std::size_t count, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

// Fused multiply-add and the order of sums differ between instruction sets.
constexpr double kTolerance = 1e-5;

}  // namespace

BOOST_AUTO_TEST_SUITE(passes_of_every_instruction_set)

BOOST_AUTO_TEST_CASE(batch_norm_sums_and_backward_agree_with_float64_at_any_width) {
  for (base::Isa isa : base::available_isas())
    for (std::int64_t width : {1, 3, 16, 64, 80, 150})
      for (std::int64_t rows : {1, 7, 700}) {
        const auto n = static_cast<std::size_t>(rows * width), w = static_cast<std::size_t>(width);
        const auto x = draw(n, 1), dy = draw(n, 2), mean = draw(w, 3), scale = draw(w, 4), beta = draw(w, 5),
                   slope = draw(w, 6), offset = draw(w, 7);
        const float low = 0.0f, high = 1.5f;
        std::vector<double> sum(w), square(w), g_sum(w), g_product(w), e_sum(w), e_square(w), eg_sum(w),
            eg_product(w);
        std::vector<float> y(n), dx(n);
        const Passes& p = passes_of(isa);
        p.moments(x.data(), rows, width, mean.data(), sum.data(), square.data());
        p.normalise(x.data(), rows, width, mean.data(), scale.data(), beta.data(), low, high, y.data());
        p.normalise_backward_sums(x.data(), dy.data(), rows, width, mean.data(), scale.data(), beta.data(),
                                  low, high, g_sum.data(), g_product.data());
        p.normalise_backward(x.data(), dy.data(), rows, width, mean.data(), scale.data(), beta.data(), low,
                             high, slope.data(), offset.data(), dx.data());
        double worst = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
          const std::size_t c = i % w;
          const auto at = [&](const std::vector<float>& values) { return static_cast<double>(values[c]); };
          const double d = static_cast<double>(x[i]) - at(mean), v = d * at(scale) + at(beta);
          const double g = v > 0.0 && v < 1.5 ? static_cast<double>(dy[i]) : 0.0;
          e_sum[c] += d;
          e_square[c] += d * d;
          eg_sum[c] += g;
          eg_product[c] += g * d;
          worst = std::max(worst, std::abs(static_cast<double>(y[i]) - std::clamp(v, 0.0, 1.5)));
          worst = std::max(
              worst, std::abs(static_cast<double>(dx[i]) - (at(scale) * g + at(slope) * d + at(offset))));
        }
        for (std::size_t c = 0; c < w; ++c)
          for (double error : {sum[c] - e_sum[c], square[c] - e_square[c], g_sum[c] - eg_sum[c],
                               g_product[c] - eg_product[c]})
            worst = std::max(worst, std::abs(error) / static_cast<double>(rows));
        BOOST_TEST(worst < kTolerance, base::isa_name(isa) << " " << rows << "x" << width);
      }
}

BOOST_AUTO_TEST_CASE(clamps_keep_nan_and_pass_gradients_strictly_inside) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{-1.0f, 0.0f, 3.0f, 6.0f, 7.0f, nan}, ones(6, 1.0f);
  for (base::Isa isa : base::available_isas()) {
    std::vector<float> y(6), dx(6);
    passes_of(isa).clamp(x.data(), 6, 0.0f, 6.0f, y.data());
    passes_of(isa).clamp_backward(y.data(), ones.data(), 6, 0.0f, 6.0f, dx.data());
    BOOST_TEST(std::isnan(y[5]));
    const std::vector<float> expected_y{0, 0, 3, 6, 6}, expected_dx{0, 0, 1, 0, 0};
    for (std::size_t i = 0; i < 5; ++i) {
      BOOST_TEST(y[i] == expected_y[i]);
      BOOST_TEST(dx[i] == expected_dx[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(bf16_is_the_nearest_half_to_even_and_nan_stays_nan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  // 1 + 2^-8 lies between 1 and 1 + 2^-7, 1 + 3 * 2^-8 between that and 1 + 2^-6: the even one of both.
  const std::vector<float> x = {0.0f,      -0.0f,   1.0f,      1.00390625f, 1.01171875f, 1.00390637f,
                                -3.14159f, 3.4e38f, kInfinity, -kInfinity,  kNan,        -kNan,
                                255.0f,    -127.0f, 1e-40f,    0.1f,        65536.0f};
  for (base::Isa isa : base::available_isas()) {
    std::vector<std::uint16_t> y(x.size());
    passes_of(isa).to_bf16(x.data(), std::ssize(x), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto back = std::bit_cast<float>(static_cast<std::uint32_t>(y[i]) << 16);
      if (std::isnan(x[i])) {
        BOOST_TEST(std::isnan(back));
        continue;
      }
      if (std::isinf(x[i]) || x[i] == 3.4e38f) {  // the largest floats round up to infinity
        BOOST_TEST(std::isinf(back));
        continue;
      }
      BOOST_TEST(std::abs(back - x[i]) <= std::max(std::abs(x[i]) * 0.00390625f, 1e-40f), x[i]);
    }
    BOOST_TEST(y[3] == 0x3f80);  // 1
    BOOST_TEST(y[4] == 0x3f82);  // 1 + 2^-6
    BOOST_TEST(y[5] == 0x3f81);
  }
}

BOOST_AUTO_TEST_CASE(every_byte_is_exact_in_bf16) {
  std::vector<std::uint8_t> bytes(256 + 3);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  for (base::Isa isa : base::available_isas()) {
    std::vector<std::uint16_t> plain(bytes.size()), with_sign(bytes.size());
    passes_of(isa).bytes_to_bf16(bytes.data(), std::ssize(bytes), plain.data());
    passes_of(isa).signed_bytes_to_bf16(bytes.data(), std::ssize(bytes), with_sign.data());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto value = [](std::uint16_t half) {
        return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
      };
      BOOST_TEST(value(plain[i]) == static_cast<float>(bytes[i]));
      BOOST_TEST(value(with_sign[i]) == static_cast<float>(static_cast<std::int8_t>(bytes[i])));
    }
  }
}

BOOST_AUTO_TEST_CASE(offset_and_scale_adds_before_it_multiplies) {
  for (base::Isa isa : base::available_isas())
    for (std::int64_t width : {1, 7, 16, 80})
      for (std::int64_t rows : {1, 5}) {
        const auto offset = draw(static_cast<std::size_t>(width), 2);
        const auto scale = draw(static_cast<std::size_t>(width), 3);
        const auto before = draw(static_cast<std::size_t>(rows * width), 1);
        auto y = before;
        passes_of(isa).offset_and_scale(y.data(), rows, width, offset.data(), scale.data());
        for (std::size_t i = 0; i < y.size(); ++i) {
          const std::size_t c = i % static_cast<std::size_t>(width);
          BOOST_TEST(y[i] == (before[i] + offset[c]) * scale[c]);
        }
      }
}

BOOST_AUTO_TEST_CASE(a_folded_row_is_whole_pixels_and_whole_vectors_where_it_can_be) {
  for (std::size_t channels : {1, 3, 16, 24, 64, 96, 100, 640}) {
    const std::size_t width = folded_width(channels);
    BOOST_TEST(width % channels == 0u);
    BOOST_TEST(width >= std::min<std::size_t>(channels, 64));
  }
  BOOST_TEST(folded_width(24) % 64 == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
