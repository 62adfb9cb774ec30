#include "trainer/onnx/aimet_encodings.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "quant/base/error.hpp"
#include "trainer/deployed_scales.hpp"
#include "trainer/onnx/tensor_names.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using Json = nlohmann::ordered_json;

/// `offset`: the integer of the least value; value = scale * (code + offset), code from 0 to 2^bits - 1.
Json encoding(int bits, bool is_signed, float scale) {
  const int levels = 1 << bits, offset = is_signed ? -levels / 2 : 0;
  const auto step = static_cast<double>(scale);
  return {{"bitwidth", bits},
          {"dtype", "int"},
          {"is_symmetric", is_signed ? "True" : "False"},
          {"max", step * (levels - 1 + offset)},
          {"min", step * offset},
          {"offset", offset},
          {"scale", step}};
}

/// The activations of one tensor: AIMET has one entry for all its readers.
struct TensorEncoding {
  int bits = 0;
  bool is_signed = false;
  float scale = 0;
  std::string reader;
};

class Encodings {
 public:
  Encodings(const DeployedModel& model, const ExportNames& names)
      : model_(model), info_(model.network), names_(info_, names), layers_(layer_scales(model)) {}

  AimetEncodings run() && {
    Json parameters = Json::object();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const quant::LayerInfo& layer = info_.layers[i];
      put_weights(layer, model_.policy.layers[i].weight, layers_[i].weights, parameters);
      put_input(layer, model_.policy.layers[i].activation, layers_[i]);
    }
    put_tensors();
    Json activations = Json::object();
    for (const auto& [name, entry] : activations_)
      activations[name] = Json::array({encoding(entry.bits, entry.is_signed, entry.scale)});
    const Json json{{"version", "0.6.1"},
                    {"activation_encodings", std::move(activations)},
                    {"param_encodings", std::move(parameters)}};
    found_.json = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    return std::move(found_);
  }

 private:
  static void check_known(const std::string& name, bool known) {
    if (!known)
      throw base::UserError(
          fmt::format("{}: this model does not know the scales of its integers: an earlier bitsmith wrote "
                      "it; make it anew",
                      name));
  }

  void put_weights(const quant::LayerInfo& layer, quant::Format format, const std::vector<float>& scales,
                   Json& parameters) {
    if (format.is_float()) return;
    if (!format.is_integer()) {
      found_.left_out.push_back(
          fmt::format("{}: weights in {}: AIMET has integers alone", layer.name, format.name()));
      return;
    }
    check_known(layer.name, !scales.empty());
    Json& list = parameters[names_.parameter(layer.node, "weight")] = Json::array();
    for (const float scale : scales) list.push_back(encoding(format.code(), true, scale));
  }

  void put_input(const quant::LayerInfo& layer, quant::Format format, const LayerScales& scales) {
    if (format.is_float()) return;
    if (scales.dynamic_input)
      throw base::UserError(fmt::format(
          "{}: its inputs have a scale for each image; AIMET's encodings have fixed ones", layer.name));
    check_known(layer.name, scales.input > 0);
    const int read = info_.nodes[static_cast<std::size_t>(layer.node)].inputs[0];
    put_activation(names_.output(read), {format.code(), layer.input_signed, scales.input, layer.name});
  }

  void put_tensors() {
    if (!model_.policy.quantizes()) return;
    const std::vector<float> scales = step_scales(model_);
    for (std::size_t i = 0; i < scales.size(); ++i) {
      const int tensor = model_.steps[i].step.tensor;
      if (tensor < 0) continue;
      const quant::Node& node = info_.nodes[static_cast<std::size_t>(tensor)];
      put_activation(names_.output(tensor), {8, node.output_signed, scales[i], node.name});
    }
  }

  /// Of two readers with different bits the finer stays.
  void put_activation(const std::string& tensor, TensorEncoding entry) {
    const auto [place, is_new] = activations_.try_emplace(tensor, entry);
    if (is_new || (place->second.bits == entry.bits && place->second.scale == entry.scale)) return;
    const bool finer = entry.bits > place->second.bits;
    const TensorEncoding &kept = finer ? entry : place->second, &dropped = finer ? place->second : entry;
    found_.left_out.push_back(
        fmt::format("{}: reads '{}' at {} bits, {} at {}: AIMET has one encoding for both", dropped.reader,
                    tensor, dropped.bits, kept.reader, kept.bits));
    place->second = TensorEncoding(kept);
  }

  const DeployedModel& model_;
  const quant::NetworkInfo& info_;
  TensorNames names_;
  std::vector<LayerScales> layers_;
  std::map<std::string, TensorEncoding> activations_;
  AimetEncodings found_;
};

}  // namespace

AimetEncodings aimet_encodings(const DeployedModel& model, const ExportNames& names) {
  return Encodings(model, names).run();
}

}  // namespace bitsmith::trainer::onnx
