#include "quant/kernels/bit_planes.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <utility>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/random.hpp"
#include "quant/kernels/dispatch.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

const BitSerialKernels& kernels_of(base::Isa isa) {
  return pick_isa(isa, scalar::bit_serial_kernels, avx2::bit_serial_kernels, avx512::bit_serial_kernels);
}

std::vector<std::uint8_t> random_bytes(std::size_t n, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<std::uint8_t> bytes(n);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
  return bytes;
}

LayerInfo convolution(Shape input, Window window, int groups) {
  NetworkBuilder builder("test", input);
  builder.conv("layer", builder.input(), 2 * groups, window, groups);
  return std::move(builder).build().layers[0];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bit_planes)

BOOST_AUTO_TEST_CASE(packing_takes_each_bit_and_writes_no_byte_more) {
  for (base::Isa isa : base::available_isas())
    for (std::size_t n : {1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100, 128, 200})
      for (int planes = 1; planes <= 4; ++planes) {
        const auto bytes = random_bytes(n, n);
        const std::size_t stride = (n + 7) / 8 + 3;
        std::vector<std::uint8_t> packed(stride * 4, 0xA5);
        kernels_of(isa).pack(bytes.data(), static_cast<std::int64_t>(n), planes,
                             static_cast<std::int64_t>(stride), packed.data());
        bool right = true;
        for (std::size_t p = 0; p < 4; ++p)
          for (std::size_t i = 0; i < stride * 8; ++i) {
            const int bit = packed[p * stride + i / 8] >> (i % 8) & 1;
            const bool written = p < static_cast<std::size_t>(planes) && i / 8 < (n + 7) / 8;
            const int expected = !written ? 0xA5 >> (i % 8) & 1 : i < n ? bytes[i] >> p & 1 : 0;
            right = right && bit == expected;
          }
        BOOST_TEST(right, base::isa_name(isa) << " " << n << " bytes, " << planes << " planes");
      }
}

BOOST_AUTO_TEST_CASE(every_input_of_a_window_lies_at_its_bit_of_the_row) {
  const std::vector<std::pair<LayerInfo, int>> cases = {
      {convolution({5, 6, 7}, Window::square(3, 1, 1), 1), 2},
      {convolution({16, 5, 5}, Window::square(3, 2, 1), 1), 1},
      {convolution({70, 4, 4}, Window::square(3, 1, 2, 2), 1), 1},
      {convolution({12, 6, 5}, Window{2, 3, 2, 1, 1, 2, 0, 1, 1, 2}, 3), 2},
  };
  constexpr int kPlanes = 3;
  for (const auto& [layer, batch] : cases) {
    const RowGeometry geometry(layer, batch);
    const Window& w = layer.window;
    const auto input = random_bytes(static_cast<std::size_t>(layer.input.elements() * batch), 5);
    for (base::Isa isa : base::available_isas()) {
      BitPlanes planes(geometry, kPlanes);
      for (int group = 0; group < layer.groups; ++group) {
        planes.pack(kernels_of(isa), group, input.data());
        std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(geometry.pixels()));
        planes.find_rows(0, geometry.pixels(), rows.data());
        bool right = true;
        std::size_t pixel = 0;
        for (int n = 0; n < batch; ++n)
          for (int y = 0; y < layer.output.height; ++y)
            for (int x = 0; x < layer.output.width; ++x, ++pixel)
              for (int ky = 0; ky < w.kernel_h; ++ky)
                for (int kx = 0; kx < w.kernel_w; ++kx)
                  for (int c = 0; c < geometry.inputs(); ++c)
                    for (int p = 0; p < kPlanes; ++p) {
                      const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
                      const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
                      const bool inside =
                          iy >= 0 && iy < layer.input.height && ix >= 0 && ix < layer.input.width;
                      const int at =
                          ((n * layer.input.height + iy) * layer.input.width + ix) * layer.input.channels +
                          group * geometry.inputs() + c;
                      const int expected = inside ? input[static_cast<std::size_t>(at)] >> p & 1 : 0;
                      const std::int64_t bit = planes.bit_of(ky, kx, c);
                      std::uint32_t word;
                      std::memcpy(&word,
                                  rows[pixel] + p * planes.plane_bytes() +
                                      planes.words()[static_cast<std::size_t>(bit / 32)],
                                  4);
                      right = right && static_cast<int>(word >> (bit % 32) & 1) == expected;
                    }
        BOOST_TEST(right, base::isa_name(isa) << " " << layer.input.channels << " channels");
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
