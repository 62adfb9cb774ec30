#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/kernels/epilogue.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {
namespace {

struct Reader {
  Storage storage;
  const void* data;
  double operator()(std::int64_t i) const {
    switch (storage) {
      case Storage::f32:
        return static_cast<double>(static_cast<const float*>(data)[i]);
      case Storage::u8:
        return static_cast<const std::uint8_t*>(data)[i];
      case Storage::s8:
        return static_cast<const std::int8_t*>(data)[i];
    }
    return 0;
  }
};

void write(Storage storage, void* data, std::int64_t i, float y) {
  switch (storage) {
    case Storage::f32:
      static_cast<float*>(data)[i] = y;
      break;
    case Storage::u8:
      static_cast<std::uint8_t*>(data)[i] =
          static_cast<std::uint8_t>(std::clamp(std::nearbyint(y), 0.0f, 255.0f));
      break;
    case Storage::s8:
      static_cast<std::int8_t*>(data)[i] =
          static_cast<std::int8_t>(std::clamp(std::nearbyint(y), -128.0f, 127.0f));
      break;
  }
}

// The layer as a convolution: a linear layer is one pixel with all its inputs as channels.
struct Geometry {
  Shape input, output;
  Window window;
  int groups;
};

}  // namespace

void reference_layer(const LayerInfo& layer, LayerBits bits, Storage from, Storage to, int batch,
                     const LayerNumbers& numbers, const void* in, void* out) {
  Geometry g{layer.input, layer.output, layer.window, layer.groups};
  if (layer.kind == LayerKind::linear)
    g = {{static_cast<int>(layer.input.elements()), 1, 1}, layer.output, Window{}, 1};
  const Window& w = g.window;
  const int inputs = g.input.channels / g.groups, outputs = g.output.channels / g.groups;
  const Reader input{from, in};
  const bool integers = bits.weight != kFloatBits && bits.activation != kFloatBits;
  const bool float_weights = bits.weight == kFloatBits;
  const Epilogue epilogue = make_epilogue(numbers);

  for (int n = 0; n < batch; ++n)
    for (int y = 0; y < g.output.height; ++y)
      for (int x = 0; x < g.output.width; ++x)
        for (int c = 0; c < g.output.channels; ++c) {
          const std::size_t channel = static_cast<std::size_t>(c);
          double sum = 0;  // of integers: exact, as every partial sum is far below 2^53
          for (int i = 0; i < inputs; ++i)
            for (int ky = 0; ky < w.kernel_h; ++ky)
              for (int kx = 0; kx < w.kernel_w; ++kx) {
                const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
                const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
                if (iy < 0 || iy >= g.input.height || ix < 0 || ix >= g.input.width) continue;
                const std::int64_t at =
                    ((std::int64_t{n} * g.input.height + iy) * g.input.width + ix) * g.input.channels +
                    (c / outputs) * inputs + i;
                const std::size_t k = static_cast<std::size_t>(
                    ((std::int64_t{c} * inputs + i) * w.kernel_h + ky) * w.kernel_w + kx);
                const double weight =
                    float_weights ? static_cast<double>(numbers.float_weights[k]) : numbers.weights[k];
                sum += weight * input(at);
              }
          if (epilogue.constant[channel]) sum = 0;
          float value;
          if (integers) {
            const float accumulator = static_cast<float>(static_cast<std::int32_t>(sum));
            value = (accumulator + epilogue.offset[channel]) * epilogue.multiplier[channel];
          } else {
            value = static_cast<float>((sum + static_cast<double>(epilogue.offset[channel])) *
                                       static_cast<double>(epilogue.multiplier[channel]));
          }
          value = std::min(std::max(value, numbers.low), numbers.high);
          const std::int64_t at =
              ((std::int64_t{n} * g.output.height + y) * g.output.width + x) * g.output.channels + c;
          write(to, out, at, value);
        }
}

}  // namespace bitsmith::quant
