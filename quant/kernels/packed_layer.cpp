#include "quant/kernels/packed_layer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/base/cpu.hpp"
#include "quant/kernels/depthwise_layer.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/epilogue.hpp"
#include "quant/kernels/image_rows.hpp"
#include "quant/kernels/packed_gemm_kernels.hpp"
#include "quant/packing.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::int64_t kPanelBytes = 256
                                     << 10;  // rows that share a decoded tile: a quarter of a usual L2 cache
constexpr std::int32_t kLessInInt2 = 128;    // per activation, in multiply_int2
constexpr std::int64_t kFewRows = 8;         // below, decoding on the way is cheaper than through a tile

class PackedLayer final : public PreparedKernel {
 public:
  PackedLayer(const LayerInfo& layer, Storage from, Storage to, int batch, const LayerNumbers& numbers,
              int weight_bits, const PackedGemmKernels& kernels, base::Isa isa)
      : kernels_(kernels),
        geometry_(layer, batch),
        from_(from),
        decode_(weight_bits == 8   ? kernels.decode_int8
                : weight_bits == 4 ? kernels.decode_int4
                                   : kernels.decode_int2),
        multiply_few_(weight_bits == 8   ? nullptr
                      : weight_bits == 4 ? kernels.multiply_int4
                                         : kernels.multiply_int2),
        epilogue_(make_epilogue(numbers)),
        finisher_(numbers, epilogue_, layer, to, isa) {
    const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue_);
    const int zero = from == Storage::s8 ? kernels.zero : 0;
    for (int g = 0; g < geometry_.groups; ++g) {
      const std::vector<std::int8_t> matrix = geometry_.group_matrix(weights, g);
      groups_.emplace_back(matrix, geometry_.outputs(), geometry_.depth(), weight_bits, 4);
      for (int o = 0; o < geometry_.outputs(); ++o) {
        const auto row = matrix.begin() + o * geometry_.depth();
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < geometry_.depth(); ++k) sum += row[k];
        correction_.push_back(-zero * sum);
        few_correction_.push_back((weight_bits == 2 ? kLessInInt2 - zero : -zero) * sum);
      }
    }
    const std::int64_t depth = groups_[0].padded_depth();
    direct_ = geometry_.rows_are_input() && depth == geometry_.depth() && from == Storage::u8 &&
              kernels.element_bytes == 1;
    row_bytes_ = depth * kernels.element_bytes;
    const std::int64_t panel = std::max<std::int64_t>(kernels.max_rows, kPanelBytes / row_bytes_);
    panel_ = std::min(geometry_.pixels(), panel / kernels.max_rows * kernels.max_rows);
    if (!direct_) rows_.assign(static_cast<std::size_t>(panel_ * row_bytes_), 0);
    if (decode_ != nullptr) tile_.resize(static_cast<std::size_t>(PackedMatrix::kBlock * row_bytes_));
    sums_.resize(static_cast<std::size_t>(PackedMatrix::kBlock * kernels.max_rows));
  }

  void run(const void* in, void* out) override {
    for (int group = 0; group < geometry_.groups; ++group)
      for (std::int64_t first = 0; first < geometry_.pixels(); first += panel_) {
        const std::int64_t count = std::min(panel_, geometry_.pixels() - first);
        const std::uint8_t* rows = gather(group, first, count, in);
        for (int block = 0; block < groups_[0].blocks(); ++block)
          multiply(group, block, first, count, rows, out);
      }
  }

  std::int64_t weight_bytes() const override {
    std::int64_t bytes = 0;
    for (const PackedMatrix& matrix : groups_) bytes += matrix.bytes();
    return bytes + static_cast<std::int64_t>(correction_.size() * 3 * sizeof(float));
  }

 private:
  const std::uint8_t* gather(int group, std::int64_t first, std::int64_t count, const void* in) {
    if (direct_) return static_cast<const std::uint8_t*>(in) + first * row_bytes_;
    const bool is_signed = from_ == Storage::s8;
    gather_rows(geometry_, group, first, count, in, 1, kernels_.element_bytes, is_signed ? kernels_.zero : 0,
                is_signed ? kernels_.load_signed : kernels_.load_unsigned, row_bytes_, rows_.data());
    return rows_.data();
  }

  void multiply(int group, int block, std::int64_t first, std::int64_t count, const std::uint8_t* rows,
                void* out) {
    const PackedMatrix& matrix = groups_[static_cast<std::size_t>(group)];
    const std::int64_t depth = matrix.padded_depth();
    const int width = matrix.width(block), used = matrix.used(block);
    const bool few = count < kFewRows && multiply_few_ != nullptr;
    const void* tile = matrix.block(block);
    if (!few && decode_ != nullptr) {
      decode_(matrix.block(block), depth, width, tile_.data());
      tile = tile_.data();
    }
    const std::int64_t channel = std::int64_t{group} * geometry_.outputs() + block * PackedMatrix::kBlock;
    const std::int32_t* correction = (few ? few_correction_ : correction_).data();
    for (std::int64_t done = 0; done < count; done += kernels_.max_rows) {
      const int some = static_cast<int>(std::min<std::int64_t>(kernels_.max_rows, count - done));
      if (few)
        multiply_few_(rows + done * row_bytes_, row_bytes_, some, matrix.block(block), depth, width,
                      sums_.data());
      else
        kernels_.multiply(rows + done * row_bytes_, row_bytes_, some, tile, depth, width, sums_.data());
      finisher_.finish(sums_.data(), width, some, correction, channel, used, first + done, out);
    }
  }

  const PackedGemmKernels& kernels_;
  RowGeometry geometry_;
  Storage from_;
  decltype(PackedGemmKernels::decode_int4) decode_;          ///< null: a block is its own tile
  decltype(PackedGemmKernels::multiply_int4) multiply_few_;  ///< for few rows without a tile; may be null
  Epilogue epilogue_;
  Finisher finisher_;
  std::vector<PackedMatrix> groups_;
  /// Per output channel, for what `zero` adds to every activation and multiply_int2 takes away.
  std::vector<std::int32_t> correction_, few_correction_;
  bool direct_ = false;  ///< the input itself is the rows
  std::int64_t row_bytes_ = 0, panel_ = 0;
  base::AlignedVector<std::uint8_t> rows_, tile_;
  base::AlignedVector<std::int32_t> sums_;
};

}  // namespace

bool packed_refuses(const LayerInfo& layer, LayerBits bits, Storage from) {
  // A product of matrices with one column each would be a hundred times slower than the kernel for this.
  const bool depthwise = layer.kind == LayerKind::depthwise && !depthwise_refuses(layer, bits, from);
  return depthwise || may_overflow(layer);
}

template <base::Isa kIsa, int kBits>
std::unique_ptr<PreparedKernel> make_packed(const LayerInfo& layer, LayerBits, Storage from, Storage to,
                                            int batch, const LayerNumbers& numbers) {
  const PackedGemmKernels& kernels =
      pick_isa(kIsa, scalar::packed_gemm_kernels, avx2::packed_gemm_kernels, avx512::packed_gemm_kernels);
  return std::make_unique<PackedLayer>(layer, from, to, batch, numbers, kBits, kernels, kIsa);
}

template MakeKernel make_packed<base::Isa::scalar, 8>;
template MakeKernel make_packed<base::Isa::avx2, 8>;
template MakeKernel make_packed<base::Isa::avx512, 8>;
template MakeKernel make_packed<base::Isa::scalar, 4>;
template MakeKernel make_packed<base::Isa::avx2, 4>;
template MakeKernel make_packed<base::Isa::avx512, 4>;
template MakeKernel make_packed<base::Isa::scalar, 2>;
template MakeKernel make_packed<base::Isa::avx2, 2>;
template MakeKernel make_packed<base::Isa::avx512, 2>;

}  // namespace bitsmith::quant
