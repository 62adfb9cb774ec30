#include "quant/formats/fast_quantize.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/calibration_methods.hpp"
#include "quant/formats/storage.hpp"
#include "quant/kernels/format_kernels.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

using Shape = std::vector<std::int64_t>;

/// Numbers of many sizes, ties, zeros of both signs.
std::vector<float> awkward(std::size_t n, std::uint64_t seed, double spread) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) {
    v = static_cast<float>(rng.normal() * std::exp(rng.normal() * spread));
    switch (rng.below(12)) {
      case 0:
        v = 0.0f;
        break;
      case 1:
        v = -0.0f;
        break;
      case 2:
        v = std::nearbyint(v) + 0.5f;
        break;
      case 3:
        v = std::ldexp(1.0f, static_cast<int>(rng.below(12)) - 6);
        break;
      default:
        break;
    }
  }
  return x;
}

std::size_t elements(const Shape& shape) {
  std::size_t n = 1;
  for (std::int64_t d : shape) n *= static_cast<std::size_t>(d);
  return n;
}

/// As bits: -0 is not 0, and NaN is itself.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

void compare(const std::vector<float>& x, const Shape& shape, Format format, const EncodingOptions& options,
             bool must_serve) {
  const Encoded expected = reference_encode(x, shape, format, options);
  const std::vector<float> decoded = reference_decode(expected);
  Encoded fast = allocate(format, shape, options);
  std::vector<std::uint8_t> bytes(x.size());
  std::vector<float> values(x.size()), alone(x.size()), again(x.size());
  const bool served = fast_quantize(x, fast, {fast.codes, bytes, values});
  BOOST_TEST((served || !must_serve));
  if (served) {
    BOOST_TEST((fast.codes == expected.codes));
    BOOST_TEST(same(fast.scales, expected.scales));
    BOOST_TEST((fast.zero_points == expected.zero_points));
    BOOST_TEST((fast.block_scales == expected.block_scales));
    BOOST_TEST(fast.clipped == expected.clipped);
    BOOST_TEST(same(values, decoded));
    for (std::size_t i = 0; i < x.size(); ++i)
      if (bytes[i] != static_cast<std::uint8_t>(expected.codes[i])) BOOST_FAIL("a byte is not its code");
    BOOST_TEST(fast_decode(expected, again));
    BOOST_TEST(same(again, decoded));
  }
  quantize_dequantize(x, shape, format, options, alone);
  BOOST_TEST(same(alone, decoded));
  BOOST_TEST((encode(x, shape, format, options).codes == expected.codes));
  BOOST_TEST(same(decode(expected), decoded));
}

std::vector<Format> with_fast_path(FormatKind kind) {
  std::vector<Format> found;
  for (Format format : all_formats())
    if (format.row().kind == kind && format.element_bits() <= 8 && format != kMxint8 && format.code() != 1)
      found.push_back(format);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fast_quantization)

BOOST_AUTO_TEST_CASE(integers_are_the_references_bits_under_every_scheme) {
  const Shape shape{6, 5, 37};
  for (Format format : with_fast_path(FormatKind::integer))
    for (const Slicing& slicing : {Slicing{}, Slicing{Grain::channel, 0, 0}, Slicing{Grain::group, -1, 16},
                                   Slicing{Grain::group, -1, 0}})
      for (double spread : {0.0, 3.0}) {
        const auto x = awkward(elements(shape), 1, spread);
        BOOST_TEST_CONTEXT(format.name() << " " << slicing_to_string(slicing)) {
          compare(x, shape, format, {.slicing = slicing}, true);
          if (!format.row().is_signed) {
            compare(x, shape, format, {.symmetric_unsigned = true, .slicing = slicing}, true);
          } else {
            compare(x, shape, format, {.scheme = Scheme::affine, .slicing = slicing}, true);
            compare(x, shape, format, {.full_range = true, .slicing = slicing}, true);
          }
          compare(x, shape, format, {.slicing = slicing, .scale_rule = ScaleRule::one}, true);
        }
      }
}

BOOST_AUTO_TEST_CASE(integers_are_the_references_bits_under_every_calibration) {
  const Shape shape{6, 300};
  const auto x = awkward(elements(shape), 8, 2);
  for (const CalibrationRow& row : calibration_methods())
    for (const Slicing& slicing : {Slicing{}, Slicing{Grain::channel, 0, 0}, Slicing{Grain::group, -1, 32}})
      for (int bits : {2, 4, 8}) {
        BOOST_TEST_CONTEXT(row.name << " at " << bits << " bits") {
          compare(x, shape, Format(bits), {.slicing = slicing, .calibration = row.kind}, true);
          if (row.symmetric_only) {
            const EncodingOptions affine{
                .scheme = Scheme::affine, .slicing = slicing, .calibration = row.kind};
            BOOST_CHECK_THROW(encode(x, shape, Format(bits), affine), base::UserError);
          } else {
            compare(x, shape, Format(bits),
                    {.scheme = Scheme::affine, .slicing = slicing, .calibration = row.kind}, true);
          }
        }
      }
}

BOOST_AUTO_TEST_CASE(minifloats_are_the_references_bits) {
  const Shape shape{7, 3, 41};
  for (Format format : with_fast_path(FormatKind::minifloat))
    for (const Slicing& slicing : {Slicing{}, Slicing{Grain::channel, 0, 0}, Slicing{Grain::group, -1, 16}})
      for (double spread : {0.0, 2.0, 8.0})
        BOOST_TEST_CONTEXT(format.name() << " " << slicing_to_string(slicing))
  compare(awkward(elements(shape), 2, spread), shape, format, {.slicing = slicing}, true);
}

BOOST_AUTO_TEST_CASE(ocp_blocks_are_the_references_bits_with_ragged_rows_and_without) {
  for (Format format : with_fast_path(FormatKind::mx))
    for (const Shape& shape : {Shape{5, 64}, Shape{9, 50}, Shape{3, 7}, Shape{4097}, Shape{}})
      for (double spread : {0.0, 2.0, 6.0}) BOOST_TEST_CONTEXT(format.name() << " spread " << spread)
  compare(awkward(elements(shape), 3, spread), shape, format, {}, true);
}

BOOST_AUTO_TEST_CASE(every_number_near_a_boundary_rounds_as_the_reference_does) {
  // Every bit pattern's upper 16 bits, with the lower ones at, below and above ties, in blocks that reach
  // 2^8.
  std::vector<float> x;
  for (std::uint32_t top = 0x3000; top < 0x4380; ++top)
    for (std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      for (std::uint32_t sign : {0u, 1u}) {
        const std::uint32_t bits = sign << 31 | top << 16 | low;
        float v = 0;
        std::memcpy(&v, &bits, sizeof(v));
        x.push_back(v);
        if (x.size() % 32 == 31) x.push_back(256.0f);
      }
  const Shape shape{static_cast<std::int64_t>(x.size())};
  for (FormatKind kind : {FormatKind::mx, FormatKind::minifloat, FormatKind::integer})
    for (Format format : with_fast_path(kind))
      BOOST_TEST_CONTEXT(format.name()) compare(x, shape, format, {}, true);
}

BOOST_AUTO_TEST_CASE(what_the_fast_loops_cannot_do_falls_back) {
  constexpr float kMax = std::numeric_limits<float>::max(),
                  kInfinity = std::numeric_limits<float>::infinity();
  const Shape shape{4, 32};
  for (float odd : {1e-40f, 1e-30f, 1e30f, kMax, kInfinity, std::nanf("")})
    for (FormatKind kind : {FormatKind::mx, FormatKind::minifloat, FormatKind::integer})
      for (Format format : with_fast_path(kind)) {
        auto x = awkward(128, 4, 0);
        x[77] = odd;
        const bool takes =
            std::isfinite(odd) || kind == FormatKind::mx ||
            (kind == FormatKind::minifloat && (odd == kInfinity || format.element_bits() == 8));
        BOOST_TEST_CONTEXT(format.name() << " with " << odd) {
          if (takes)
            compare(x, shape, format, {}, false);
          else
            BOOST_CHECK_THROW(encode(x, shape, format), std::runtime_error);
        }
        std::vector<float> small(128, std::isfinite(odd) ? odd : 1.0f);
        compare(small, shape, format, {}, false);
      }
  // Strided slices, other roundings and ranges.
  const auto x = awkward(128, 5, 1);
  compare(x, shape, Format(4), {.slicing = {Grain::channel, 1, 0}}, false);
  compare(x, shape, Format(4), {.rounding = Rounding::away}, false);
  compare(x, shape, kMxfp4, {.block = 16}, false);
  compare(x, shape, kMxfp4, {.axis = 0}, false);
}

BOOST_AUTO_TEST_CASE(long_slices_and_large_tensors_are_the_references_bits) {
  const Shape shape{3, 150001};  // slices longer than a part, at odd places
  const auto x = awkward(elements(shape), 6, 1);
  for (Format format : {Format(4), kFp8E4m3, kMxfp4}) BOOST_TEST_CONTEXT(format.name())
  compare(x, shape, format, {.slicing = format == kMxfp4 ? Slicing{} : Slicing{Grain::channel, 0, 0}}, true);
}

BOOST_AUTO_TEST_CASE(what_is_larger_than_the_caches_is_decoded_like_its_codes) {
  const auto width = static_cast<std::int64_t>(base::cpu_info().l3_bytes / (256 * 4) + 4096 + 7);
  const Shape shape{256, width};
  const auto x = awkward(elements(shape), 9, 1);
  std::vector<float> values(x.size());
  for (Format format : {Format(8), kFp8E4m3, kMxfp4}) {
    const EncodingOptions options{.slicing = format == kMxfp4 ? Slicing{} : Slicing{Grain::channel, 0, 0}};
    Encoded encoded = allocate(format, shape, options);
    BOOST_TEST(fast_quantize(x, encoded, {.codes = encoded.codes, .values = values}));
    BOOST_TEST(same(values, decode(encoded)));
    std::vector<float> alone(x.size());
    quantize_dequantize(x, shape, format, options, alone);
    BOOST_TEST(same(alone, values));
  }
}

BOOST_AUTO_TEST_CASE(every_instruction_set_gives_the_same_bits_streaming_or_not_at_any_alignment) {
  const MinifloatShape e2m1{2, 1, 1, 7, 6, 2}, e5m2{5, 2, 15, 0x7b, 57344, 15};
  struct Result {
    std::vector<std::uint8_t> bytes;
    std::vector<float> values;
    std::vector<std::int32_t> scales;
    std::int64_t count;
  };
  const auto run = [&](const FormatKernels& form, int which, const std::vector<float>& x, std::size_t offset,
                       bool streams, bool bytes) {
    // What lies around the output must stay as it is.
    Result r{std::vector<std::uint8_t>(bytes ? x.size() : 0), std::vector<float>(x.size() + 40, -7.0f),
             std::vector<std::int32_t>(x.size() / 32 + 1), 0};
    const auto n = static_cast<std::int64_t>(x.size());
    const FormatOutput out{bytes ? r.bytes.data() : nullptr, r.values.data() + offset, streams};
    if (which == 0) r.count = form.uniform(x.data(), n, 64, {0.01f, -7, 7, 0}, out);
    if (which == 1) r.count = form.uniform(x.data(), n, 64, {0.3f, 0, 255, 97}, out);
    if (which == 2) r.count = form.minifloat(x.data(), n, 64, e5m2, 1e-3f, out);
    if (which == 3) r.count = form.mx(x.data(), n, 64, e2m1, r.scales.data(), out);
    if (which == 4) r.count = form.largest_magnitude(x.data(), n);
    form.end_stream();
    return r;
  };
  for (std::size_t n : {1u, 15u, 32u, 33u, 64u, 100u, 200u, 1000u})
    for (double spread : {0.0, 3.0}) {
      const auto x = awkward(n, 7, spread);
      for (int which = 0; which <= 4; ++which)
        for (std::size_t offset : {0u, 1u, 4u, 15u, 16u}) {
          const Result expected = run(scalar::format_kernels, which, x, offset, false, true);
          for (base::Isa isa : base::available_isas())
            for (bool streams : {false, true})
              for (bool bytes : {false, true}) {
                const FormatKernels& form = isa == base::Isa::scalar ? scalar::format_kernels
                                            : isa == base::Isa::avx2 ? avx2::format_kernels
                                                                     : avx512::format_kernels;
                const Result r = run(form, which, x, offset, streams, bytes);
                BOOST_TEST(r.count == expected.count);
                BOOST_TEST(same(r.values, expected.values));
                BOOST_TEST((r.scales == expected.scales));
                if (bytes) BOOST_TEST((r.bytes == expected.bytes));
              }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
