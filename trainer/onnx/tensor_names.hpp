#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/onnx/export.hpp"

namespace bitsmith::trainer::onnx {

/// A name that is not in `taken` yet, and now is: `wanted`, or with _1, _2, ... behind it.
std::string take_name(const std::string& wanted, std::set<std::string>& taken);

/// What the tensors of an exported network are called, whatever is written of it: the same network gives the
/// same names.
class TensorNames {
 public:
  TensorNames(const quant::NetworkInfo& info, const ExportNames& names);

  /// What a node gives; a quantize node gives its input (in fp32 it does nothing).
  const std::string& output(int node) const { return outputs_.at(static_cast<std::size_t>(node)); }
  /// `what`: "weight", "bias", "running_mean" or "running_var".
  const std::string& parameter(int node, std::string_view what) const;
  /// All of these.
  const std::set<std::string>& taken() const { return taken_; }

 private:
  std::set<std::string> taken_;
  std::vector<std::string> outputs_;
  std::map<std::pair<int, std::string>, std::string, std::less<>> parameters_;
};

}  // namespace bitsmith::trainer::onnx
