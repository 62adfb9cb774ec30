#include "quant/formats/fast_quantize.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/formats/integer_format.hpp"
#include "quant/formats/minifloat.hpp"
#include "quant/formats/storage.hpp"
#include "quant/formats/values.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/format_kernels.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::int64_t kMxBlock = 32;
constexpr std::int64_t kPiece = 1024;  // elements whose bytes become codes while they are in the cache
constexpr std::int64_t kLeastAhead = 1 << 10, kMostAhead = 1 << 12;  // elements until memory has answered
constexpr std::int64_t kPart = 1 << 16;  // elements for one thread at a time: 256 KiB, of the second level
constexpr std::int64_t kLeastStreamed = 256;  // below that, the lines at both ends cost more than is won
constexpr int kMostByteBits = 8;
constexpr double kLargestFloat = std::numeric_limits<float>::max();
constexpr long kAssumedCache = 32L << 20;

const FormatKernels& kernels() {
  static const FormatKernels& chosen =
      pick_isa(base::selected_isa(), scalar::format_kernels, avx2::format_kernels, avx512::format_kernels);
  return chosen;
}

MinifloatShape shape_of(Format format) {
  const Minifloat& m = minifloat_of(format);
  return {m.exponent_bits, m.mantissa_bits, m.bias, m.largest_code, m.largest, m.largest_exponent};
}

bool is_minifloats(FormatKind kind) { return kind == FormatKind::minifloat || kind == FormatKind::mx; }

bool serves_mx(const Encoded& e) {
  const auto last = static_cast<int>(e.shape.size()) - 1;
  return e.format != kMxint8 && block_size(e) == kMxBlock && (e.options.axis == -1 || e.options.axis == last);
}

bool serves(const Encoded& e) {
  const EncodingOptions& options = e.options;
  switch (e.format.row().kind) {
    case FormatKind::integer:
      return e.format.element_bits() <= kMostByteBits && options.rounding == Rounding::even &&
             scale_slices(e).contiguous();
    case FormatKind::minifloat:
      return options.scale_rule == ScaleRule::range && options.rounding == Rounding::even &&
             options.saturate && scale_slices(e).contiguous();
    case FormatKind::mx:
      return options.rounding == Rounding::even && serves_mx(e);
    default:
      return false;
  }
}

bool larger_than_caches(std::size_t bytes) {
  static const long cache = base::cpu_info().l3_bytes > 0 ? base::cpu_info().l3_bytes : kAssumedCache;
  return static_cast<long>(bytes) > cache;
}

/// Writes stretches of the outputs.
class Writer {
 public:
  /// `stretch`: how many elements most stretches have.
  Writer(const FastOutputs& outputs, bool is_signed, std::int64_t stretch)
      : outputs_(outputs),
        is_signed_(is_signed),
        streams_(stretch >= kLeastStreamed && larger_than_caches(outputs.values.size_bytes())) {}

  /// `quantize(at, n, output)` for all of the `count` elements from `from` on, in pieces of whole blocks;
  /// returns the sum of what it returns.
  template <typename Quantize>
  std::int64_t write(std::int64_t from, std::int64_t count, const Quantize& quantize) const {
    if (outputs_.codes.empty()) return quantize(from, count, at(from));
    std::uint8_t bytes[kPiece];
    std::int64_t sum = 0;
    for (const std::int64_t end = from + count; from < end; from += kPiece) {
      const std::int64_t n = std::min(kPiece, end - from);
      FormatOutput output = at(from);
      if (output.bytes == nullptr) output.bytes = bytes;
      sum += quantize(from, n, output);
      widen(output.bytes, n, outputs_.codes.data() + from);
    }
    return sum;
  }

  /// What this thread wrote is there for all threads.
  void finish() const {
    if (streams_) kernels().end_stream();
  }

 private:
  FormatOutput at(std::int64_t from) const {
    return {outputs_.bytes.empty() ? nullptr : outputs_.bytes.data() + from,
            outputs_.values.empty() ? nullptr : outputs_.values.data() + from, streams_};
  }

  void widen(const std::uint8_t* bytes, std::int64_t n, std::int32_t* codes) const {
    if (is_signed_)
      for (std::int64_t i = 0; i < n; ++i) codes[i] = static_cast<std::int8_t>(bytes[i]);
    else
      for (std::int64_t i = 0; i < n; ++i) codes[i] = bytes[i];
  }

  const FastOutputs& outputs_;
  bool is_signed_, streams_;
};

/// `body(from, to)` for parts of [0, count) of about kPart elements when each counts `each`.
template <typename Body>
void in_parts(std::int64_t count, std::int64_t each, const Body& body) {
  const std::int64_t step = std::max<std::int64_t>(1, kPart / each);
  base::parallel_for(static_cast<int>((count + step - 1) / step),
                     [&](int part) { body(part * step, std::min(count, (part + 1) * step)); });
}

/// A format whose slices have fp32 scales: how one is found and used.
struct SliceGrid {
  float scale = 1;
  int zero_point = 0;
  bool usable = false;
};

class SliceQuantizer {
 public:
  SliceQuantizer(std::span<const float> x, Encoded& to)
      : x_(x), to_(to), integer_(to.format.row().kind == FormatKind::integer), rules_(to) {
    if (!integer_) shape_ = shape_of(to.format);
  }

  MinMax range(std::int64_t from, std::int64_t to) const {
    if (integer_ && rules_.affine) return min_max(x_.data() + from, to - from);
    const std::uint32_t bits = kernels().largest_magnitude(x_.data() + from, to - from);
    const float largest = __builtin_bit_cast(float, bits);
    return {-largest, largest};
  }

  /// Of a slice whose smallest and largest values are known.
  SliceGrid grid(std::int64_t from, std::int64_t count, MinMax range) const {
    if (!std::isfinite(range.min) || !std::isfinite(range.max)) return {};
    if (!integer_) {
      const double scale = usable_scale(Values(x_).quotient(double{range.max}, shape_.largest));
      return {static_cast<float>(scale), 0, scale * double{shape_.largest} < kLargestFloat};
    }
    IntegerFormatRange kept{std::min(double{range.min}, 0.0), std::max(double{range.max}, 0.0)};
    if (to_.options.calibration != Calibration::minmax) {
      const ValueRange found =
          calibrated_slice(x_.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count)), to_);
      kept = {double{found.low}, double{found.high}};
    }
    const auto [scale, zero] = integer_grid(kept, Values(x_), rules_);
    const int most = std::max(rules_.integers.high - zero, zero - rules_.integers.low);
    return {static_cast<float>(scale), zero, scale * most < kLargestFloat};
  }

  void keep(std::int64_t slice, const SliceGrid& grid) const {
    to_.scales[static_cast<std::size_t>(slice)] = grid.scale;
    if (!to_.zero_points.empty()) to_.zero_points[static_cast<std::size_t>(slice)] = grid.zero_point;
  }

  /// Returns how many were clipped.
  std::int64_t quantize(std::int64_t from, std::int64_t count, const SliceGrid& grid,
                        const Writer& writer) const {
    const std::int64_t ahead = std::clamp(count, kLeastAhead, kMostAhead);
    return writer.write(from, count, [&](std::int64_t at, std::int64_t n, const FormatOutput& output) {
      const float* x = x_.data() + at;
      return integer_ ? kernels().uniform(
                            x, n, ahead,
                            {grid.scale, rules_.integers.low, rules_.integers.high, grid.zero_point}, output)
                      : kernels().minifloat(x, n, ahead, shape_, grid.scale, output);
    });
  }

 private:
  std::span<const float> x_;
  Encoded& to_;
  bool integer_;
  IntegerRules rules_;
  MinifloatShape shape_{};
};

struct Outcome {
  std::atomic<bool> served = true;
  std::atomic<std::int64_t> clipped = 0;
};

/// What all parts of the work share.
struct Job {
  std::span<const float> x;
  Encoded& to;
  Writer writer;
  std::atomic<bool> served = true;
  std::atomic<std::int64_t> clipped = 0;
};

/// Each slice is read from memory once: its range is found, and used while the slice is in the cache.
void quantize_short_slices(const SliceQuantizer& quantizer, const Slices& slices, Job& job) {
  in_parts(slices.size(), slices.longest(), [&](std::int64_t first, std::int64_t last) {
    std::int64_t from = slices.first(first), clipped = 0;
    for (std::int64_t s = first; s < last && job.served; ++s) {
      const std::int64_t count = slices.length(s);
      const SliceGrid grid = quantizer.grid(from, count, quantizer.range(from, from + count));
      if (!grid.usable) {
        job.served = false;
        break;
      }
      quantizer.keep(s, grid);
      clipped += quantizer.quantize(from, count, grid, job.writer);
      from += count;
    }
    job.writer.finish();
    job.clipped += clipped;
  });
}

void quantize_long_slice(const SliceQuantizer& quantizer, std::int64_t slice, std::int64_t from,
                         std::int64_t length, Job& job) {
  std::vector<MinMax> ranges(static_cast<std::size_t>((length + kPart - 1) / kPart));
  in_parts(length, 1, [&](std::int64_t begin, std::int64_t end) {
    ranges[static_cast<std::size_t>(begin / kPart)] = quantizer.range(from + begin, from + end);
  });
  MinMax range = ranges.front();
  bool finite = true;
  for (const MinMax& part : ranges) {
    finite = finite && std::isfinite(part.min) && std::isfinite(part.max);
    range = {std::min(range.min, part.min), std::max(range.max, part.max)};
  }
  const SliceGrid grid = finite ? quantizer.grid(from, length, range) : SliceGrid{};
  if (!grid.usable) {
    job.served = false;
    return;
  }
  quantizer.keep(slice, grid);
  in_parts(length, 1, [&](std::int64_t begin, std::int64_t end) {
    job.clipped += quantizer.quantize(from + begin, end - begin, grid, job.writer);
    job.writer.finish();
  });
}

void quantize_slices(Job& job) {
  const Slices slices = scale_slices(job.to);
  const SliceQuantizer quantizer(job.x, job.to);
  if (slices.longest() <= kPart) return quantize_short_slices(quantizer, slices, job);
  for (std::int64_t s = 0; s < slices.size() && job.served; ++s)
    quantize_long_slice(quantizer, s, slices.first(s), slices.length(s), job);
}

/// Rows of blocks, the last of each row perhaps shorter. Whole rows of whole blocks are one long row.
struct BlockRows {
  std::int64_t rows, row, blocks;  // their number, elements and blocks of each

  /// Elements that one part of the work has in one piece.
  std::int64_t stretch() const { return row == kMxBlock ? std::min(rows * row, kPart) : row; }

  explicit BlockRows(const Encoded& e) {
    const std::int64_t elements = scale_slices(e).elements();
    const std::int64_t last = e.shape.empty() ? 1 : e.shape.back();
    row = last % kMxBlock == 0 ? kMxBlock : last;
    rows = elements / row;
    blocks = (row + kMxBlock - 1) / kMxBlock;
  }
};

void quantize_blocks(Job& job) {
  const BlockRows in(job.to);
  const MinifloatShape shape = shape_of(job.to.format);
  in_parts(in.rows, in.row, [&](std::int64_t first, std::int64_t last) {
    // Rows of one block each are a single stretch of blocks.
    const std::int64_t row = in.row == kMxBlock ? (last - first) * kMxBlock : in.row;
    std::int32_t* scales = job.to.block_scales.data() + first * in.blocks;
    std::int64_t clipped = 0;
    for (std::int64_t from = first * in.row; from < last * in.row; from += row)
      job.writer.write(from, row, [&](std::int64_t at, std::int64_t n, const FormatOutput& output) {
        const std::int64_t count = kernels().mx(job.x.data() + at, n, kMostAhead, shape, scales, output);
        scales += (n + kMxBlock - 1) / kMxBlock;
        if (count < 0) job.served = false;
        clipped += count;
        return count;
      });
    job.writer.finish();
    job.clipped += clipped;
  });
}

bool decode_slices(const Encoded& from, std::span<float> y) {
  const Slices slices = scale_slices(from);
  if (!slices.contiguous()) return false;
  const bool integer = from.format.row().kind == FormatKind::integer;
  const MinifloatShape shape = integer ? MinifloatShape{} : shape_of(from.format);
  const double most = integer ? 2.0 * (1 << from.format.element_bits()) : double{shape.largest};
  std::atomic<bool> served = true;
  const auto stretch = [&](std::int64_t s, std::int64_t begin, std::int64_t end) {
    const float scale = from.scales[static_cast<std::size_t>(s)];
    if (!(double{scale} * most < kLargestFloat)) {
      served = false;
      return;
    }
    const int zero = from.zero_points.empty() ? 0 : from.zero_points[static_cast<std::size_t>(s)];
    const std::int32_t* codes = from.codes.data() + begin;
    if (integer)
      kernels().uniform_values(codes, end - begin, scale, zero, y.data() + begin);
    else if (!kernels().minifloat_values(codes, end - begin, shape, scale, y.data() + begin))
      served = false;
  };
  if (slices.longest() <= kPart) {
    in_parts(slices.size(), slices.longest(), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t s = first; s < last; ++s)
        stretch(s, slices.first(s), slices.first(s) + slices.length(s));
    });
    return served;
  }
  for (std::int64_t s = 0; s < slices.size(); ++s)
    in_parts(slices.length(s), 1, [&](std::int64_t begin, std::int64_t end) {
      stretch(s, slices.first(s) + begin, slices.first(s) + end);
    });
  return served;
}

bool decode_blocks(const Encoded& from, std::span<float> y) {
  const BlockRows in(from);
  const MinifloatShape shape = shape_of(from.format);
  std::atomic<bool> served = true;
  const auto stretch = [&](std::int64_t begin, std::int64_t end, std::int64_t block) {
    if (!kernels().mx_values(from.codes.data() + begin, end - begin, shape, from.block_scales.data() + block,
                             y.data() + begin))
      served = false;
  };
  in_parts(in.rows, in.row, [&](std::int64_t first, std::int64_t last) {
    if (in.row == kMxBlock) return stretch(first * in.row, last * in.row, first);
    for (std::int64_t r = first; r < last; ++r) stretch(r * in.row, (r + 1) * in.row, r * in.blocks);
  });
  return served;
}

}  // namespace

bool fast_quantize(std::span<const float> x, Encoded& to, const FastOutputs& outputs) {
  const std::size_t n = static_cast<std::size_t>(scale_slices(to).elements());
  const auto fits = [&](std::size_t size) { return size == n || size == 0; };
  base::require(x.size() == n && fits(outputs.codes.size()) && fits(outputs.bytes.size()) &&
                    fits(outputs.values.size()),
                "fast_quantize: outputs have as many elements as the tensor");
  base::require(!outputs.codes.empty() || !outputs.bytes.empty() || !outputs.values.empty(),
                "fast_quantize: no output");
  if (!serves(to)) return false;
  const FormatRow& row = to.format.row();
  const bool blocks = row.kind == FormatKind::mx;
  const std::int64_t stretch = blocks ? BlockRows(to).stretch() : scale_slices(to).longest();
  Job job{x, to, Writer(outputs, row.kind == FormatKind::integer && row.is_signed, stretch)};
  blocks ? quantize_blocks(job) : quantize_slices(job);
  to.clipped = static_cast<double>(job.clipped) / static_cast<double>(n);
  return job.served;
}

bool fast_decode(const Encoded& from, std::span<float> y) {
  const FormatKind kind = from.format.row().kind;
  if (kind == FormatKind::mx) return serves_mx(from) && decode_blocks(from, y);
  return (kind == FormatKind::integer || is_minifloats(kind)) && decode_slices(from, y);
}

void quantize_dequantize(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
                         const EncodingOptions& options, std::span<float> y) {
  Encoded encoded = allocate_scales(format, shape, options);
  if (fast_quantize(x, encoded, {.values = y})) return;
  const std::vector<float> decoded = decode(encode(x, shape, format, options));
  std::ranges::copy(decoded, y.begin());
}

}  // namespace bitsmith::quant
