#include "trainer/onnx/operators/pick.hpp"

#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {

void pick(const Tensor& x, const std::vector<std::vector<std::int64_t>>& offsets, const Tensor* filling,
          Tensor& y) {
  visit_width(x.type, [&]<typename T>() {
    const auto from = raw<T>(x);
    const T outside = filling ? raw<T>(*filling)[0] : T{0};
    std::vector<std::size_t> position(offsets.size(), 0);
    for (T& element : raw<T>(y)) {
      std::int64_t at = 0;
      for (std::size_t d = 0; d < offsets.size() && at >= 0; ++d) {
        const std::int64_t offset = offsets[d][position[d]];
        at = offset < 0 ? -1 : at + offset;
      }
      element = at < 0 ? outside : from[static_cast<std::size_t>(at)];
      for (std::size_t d = offsets.size(); d-- > 0;) {
        if (++position[d] < offsets[d].size()) break;
        position[d] = 0;
      }
    }
  });
}

}  // namespace bitsmith::trainer::onnx
