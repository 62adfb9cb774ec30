#include "trainer/ptq/output_samples.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "quant/base/random.hpp"

namespace bitsmith::trainer::ptq {

std::vector<OutputPosition> sample_positions(quant::Shape output, int images, int wanted,
                                             std::uint64_t seed) {
  const int pixels = output.height * output.width;
  const int each = std::clamp((wanted + images - 1) / images, 1, pixels);
  base::Rng rng(seed);
  std::vector<int> order(static_cast<std::size_t>(pixels));
  std::iota(order.begin(), order.end(), 0);
  std::vector<OutputPosition> drawn;
  for (int image = 0; image < images; ++image)
    for (int k = 0; k < each; ++k) {
      const auto left = static_cast<std::uint64_t>(pixels - k);
      std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(k) + rng.below(left)]);
      const int pixel = order[static_cast<std::size_t>(k)];
      drawn.push_back({image, pixel / output.width, pixel % output.width});
    }
  std::vector<OutputPosition> positions;
  for (int i : rng.permutation(static_cast<int>(drawn.size())))
    positions.push_back(drawn[static_cast<std::size_t>(i)]);
  return positions;
}

void gather_inputs(const quant::LayerInfo& layer, const Tensor& input,
                   const std::vector<OutputPosition>& positions, int group, float* rows) {
  const quant::Window& w = layer.window;
  const quant::Shape& shape = input.shape();
  const int inputs = shape.channels / layer.groups, first = group * inputs;
  for (const OutputPosition& position : positions) {
    const float* image = input.sample(position.image);
    for (int i = 0; i < inputs; ++i)
      for (int kh = 0; kh < w.kernel_h; ++kh)
        for (int kw = 0; kw < w.kernel_w; ++kw) {
          const int h = position.row * w.stride_h - w.pad_top + kh * w.dilation_h;
          const int c = position.column * w.stride_w - w.pad_left + kw * w.dilation_w;
          const bool inside = h >= 0 && h < shape.height && c >= 0 && c < shape.width;
          *rows++ = inside ? image[(std::int64_t{h} * shape.width + c) * shape.channels + first + i] : 0.0f;
        }
  }
}

void gather_outputs(const Tensor& output, const std::vector<OutputPosition>& positions, int first, int count,
                    float* targets) {
  const quant::Shape& shape = output.shape();
  for (std::size_t p = 0; p < positions.size(); ++p) {
    const OutputPosition& at = positions[p];
    const float* pixel =
        output.sample(at.image) + (std::int64_t{at.row} * shape.width + at.column) * shape.channels + first;
    for (int c = 0; c < count; ++c) targets[static_cast<std::size_t>(c) * positions.size() + p] = pixel[c];
  }
}

}  // namespace bitsmith::trainer::ptq
