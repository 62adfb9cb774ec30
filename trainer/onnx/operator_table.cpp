#include <algorithm>
#include <vector>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/operators/families.hpp"

namespace bitsmith::trainer::onnx {
namespace {

std::vector<OperatorRow> sorted_rows() {
  std::vector<OperatorRow> rows;
  for (const auto& family :
       {activation_rows(),  unary_rows(),    arithmetic_rows(), comparison_rows(), cast_rows(),
        convolution_rows(), product_rows(),  pool_rows(),       norm_rows(),       softmax_rows(),
        reduction_rows(),   join_rows(),     slice_rows(),      reshape_rows(),    arrangement_rows(),
        gather_rows(),      constant_rows(), pad_rows(),        resize_rows(),     quantization_rows()})
    rows.insert(rows.end(), family.begin(), family.end());
  std::ranges::sort(rows, {}, &OperatorRow::name);
  return rows;
}

}  // namespace

std::span<const OperatorRow> operator_rows() {
  static const std::vector<OperatorRow> rows = sorted_rows();
  return rows;
}

const OperatorRow* find_operator(std::string_view domain, std::string_view name) {
  if (!domain.empty() && domain != "ai.onnx") return nullptr;
  const auto rows = operator_rows();
  const auto found = std::ranges::lower_bound(rows, name, {}, &OperatorRow::name);
  return found != rows.end() && found->name == name ? &*found : nullptr;
}

}  // namespace bitsmith::trainer::onnx
