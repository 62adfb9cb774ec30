#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/layer.hpp"
#include "trainer/layers/add.hpp"
#include "trainer/layers/average_pool.hpp"
#include "trainer/layers/batch_norm.hpp"
#include "trainer/layers/concat.hpp"
#include "trainer/layers/conv.hpp"
#include "trainer/layers/flatten.hpp"
#include "trainer/layers/function.hpp"
#include "trainer/layers/gelu.hpp"
#include "trainer/layers/global_average_pool.hpp"
#include "trainer/layers/layer_norm.hpp"
#include "trainer/layers/linear.hpp"
#include "trainer/layers/matmul.hpp"
#include "trainer/layers/max_pool.hpp"
#include "trainer/layers/moved_pixels.hpp"
#include "trainer/layers/multiply.hpp"
#include "trainer/layers/position.hpp"
#include "trainer/layers/prelu.hpp"
#include "trainer/layers/quantize.hpp"
#include "trainer/layers/relu.hpp"
#include "trainer/layers/relu6.hpp"
#include "trainer/layers/scale.hpp"
#include "trainer/layers/softmax.hpp"

namespace bitsmith::trainer {
namespace {

using quant::Op;

template <typename L>
std::unique_ptr<Layer> make(const LayerArguments& arguments) {
  return std::make_unique<L>(arguments);
}

constexpr LayerRow kLayers[] = {
    {Op::conv, false, make<Conv>},
    {Op::linear, false, make<Linear>},
    {Op::batch_norm, true, make<BatchNorm>},
    {Op::relu, false, make<Relu>},
    {Op::relu6, false, make<Relu6>},
    {Op::max_pool, false, make<MaxPool>},
    {Op::average_pool, false, make<AveragePool>},
    {Op::global_average_pool, false, make<GlobalAveragePool>},
    {Op::add, true, make<Add>},
    {Op::flatten, false, make<Flatten>},
    {Op::quantize, false, make<Quantize>},
    {Op::layer_norm, false, make<LayerNorm>},
    {Op::gelu, false, make<Gelu>},
    {Op::softmax, false, make<Softmax>},
    {Op::matmul, false, make<MatMul>},
    {Op::position, false, make<Position>},
    {Op::function, false, make<FunctionLayer>},
    {Op::prelu, false, make<Prelu>},
    {Op::scale, false, make<Scale>},
    {Op::multiply, false, make<Multiply>},
    {Op::concat, false, make<Concat>},
    {Op::slice, false, make<MovedPixels>},
    {Op::shuffle, false, make<MovedPixels>},
    {Op::pad, false, make<MovedPixels>},
    {Op::resize, false, make<MovedPixels>},
};

}  // namespace

std::span<const LayerRow> layer_table() { return kLayers; }

const LayerRow& layer_row(Op op) {
  const auto row = std::ranges::find(kLayers, op, &LayerRow::op);
  base::require(row != std::end(kLayers), "layer_row: an operation without a layer");
  return *row;
}

}  // namespace bitsmith::trainer
