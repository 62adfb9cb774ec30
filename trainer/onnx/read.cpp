#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <limits>
#include <memory>
#include <new>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/onnx/external_data.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/onnx/order_nodes.hpp"
#include "trainer/onnx/read_graph.hpp"

namespace bitsmith::trainer::onnx {
namespace {

constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max();  // of a protocol buffer

// Versions of the format (not of the operators). Before 3 a file does not say what its operators are; newer
// ones than the last that is known may mean what is not read here.
constexpr std::int64_t kOldestFormat = 3, kNewestFormat = 13;

[[noreturn]] void refuse(std::string_view file, const std::string& why) {
  throw base::UserError(fmt::format("{}: {}", file, why));
}

/// All of them, one to a line, but no more than a reader can stand.
[[noreturn]] void refuse(std::string_view file, const std::vector<std::string>& mistakes) {
  constexpr std::size_t kMostShown = 20;
  if (mistakes.size() == 1) refuse(file, mistakes.front());
  std::string text = fmt::format("{} things are wrong:", mistakes.size());
  for (std::size_t m = 0; m < mistakes.size() && m < kMostShown; ++m) text += "\n  " + mistakes[m];
  if (mistakes.size() > kMostShown) text += fmt::format("\n  and {} more", mistakes.size() - kMostShown);
  refuse(file, text);
}

void read_versions(const ::onnx::ModelProto& proto, std::string_view file, Model& model) {
  if (!proto.has_graph()) refuse(file, "holds no graph: it is no ONNX model, or is cut short");
  model.ir_version = proto.ir_version();
  if (model.ir_version < kOldestFormat || model.ir_version > kNewestFormat)
    refuse(file, fmt::format("is of version {} of the ONNX format (ir_version); {} to {} are supported",
                             model.ir_version, kOldestFormat, kNewestFormat));
  bool has_opset = false;
  for (const auto& opset : proto.opset_import()) {
    const bool is_own = opset.domain().empty() || opset.domain() == "ai.onnx";
    const bool is_new = is_own ? !std::exchange(has_opset, true)
                               : model.other_domains.emplace(opset.domain(), opset.version()).second;
    if (!is_new)
      refuse(file, fmt::format("says more than once which operators of {} it is made of",
                               shown(is_own ? "ai.onnx" : opset.domain())));
    if (is_own) model.opset = opset.version();
  }
  if (!has_opset) refuse(file, "does not say which ONNX opset it is of, or is cut short");
  if (model.opset < kOldestOpset || model.opset > kNewestOpset)
    refuse(file, fmt::format("is of ONNX opset {}; {} to {} are supported", model.opset, kOldestOpset,
                             kNewestOpset));
  if (proto.functions_size() > 0)
    refuse(file,
           fmt::format("has {} functions of its own, {} among them: they are not supported, inline them "
                       "first (onnx.inliner)",
                       proto.functions_size(), shown(proto.functions(0).name())));
}

Model convert(const ::onnx::ModelProto& proto, std::string_view file, const std::filesystem::path& folder) {
  Model model;
  read_versions(proto, file, model);
  model.producer_name = proto.producer_name();
  model.producer_version = proto.producer_version();
  model.doc_string = proto.doc_string();
  for (const auto& entry : proto.metadata_props()) model.metadata.emplace_back(entry.key(), entry.value());
  ExternalData external(folder);
  std::vector<std::string> mistakes;
  model.graph = read_graph(proto.graph(), external, mistakes);
  for (std::string& mistake : order_nodes(model.graph)) mistakes.push_back(std::move(mistake));
  if (!mistakes.empty()) refuse(file, mistakes);
  return model;
}

}  // namespace

Model parse_model(std::string_view bytes, std::string_view name, const std::filesystem::path& folder) {
  if (bytes.empty()) refuse(name, "is empty");
  if (bytes.size() > kMostBytes)
    refuse(name, fmt::format("has {} bytes, an ONNX file has at most {} (larger models keep their tensors in "
                             "files of their own)",
                             bytes.size(), kMostBytes));
  try {
    const auto proto = std::make_unique<::onnx::ModelProto>();
    if (!proto->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      refuse(name, "is not an ONNX model (a protocol buffer), or is cut short");
    return convert(*proto, name, folder);
  } catch (const std::bad_alloc&) {
    refuse(name, "needs more memory than there is");
  }
}

Model read_model(const std::filesystem::path& file) {
  const std::string bytes = base::read_file(file, kMostBytes);
  const auto folder = file.parent_path();
  return parse_model(bytes, file.string(), folder.empty() ? "." : folder);
}

}  // namespace bitsmith::trainer::onnx
