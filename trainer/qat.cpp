#include "trainer/qat.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/calibration.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/quantizer.hpp"
#include "quant/weight_scales.hpp"
#include "trainer/qat/choose_methods.hpp"
#include "trainer/qat/learned_numbers.hpp"

namespace bitsmith::trainer {
namespace {

constexpr int kTensorBits = 8;  // of quantize nodes

/// `scale_of` is called with the number of each quantize node.
template <typename Scale>
void set_tensor_scales(Network& network, const Scale& scale_of) {
  const std::vector<int> tensors = network.info().quantize_nodes();
  for (std::size_t i = 0; i < tensors.size(); ++i)
    network.find_buffer(network.info().nodes[static_cast<std::size_t>(tensors[i])].name + ".scale")
        ->value[0] = scale_of(static_cast<int>(i));
}

int layer_count(const Network& network) { return static_cast<int>(network.info().layers.size()); }

std::vector<LayerQuantization> quantization_of(const Network& network) {
  std::vector<LayerQuantization> all;
  for (int layer = 0; layer < layer_count(network); ++layer) all.push_back(network.quantization(layer));
  return all;
}

/// Shows the first `wanted` images of the source, in fp32; the network's quantization comes back whatever
/// happens.
void observe_inputs(Network& network, BatchSource& source, std::int64_t wanted,
                    std::vector<quant::ActivationObserver>& observers) {
  struct Restore {
    Network& network;
    std::vector<LayerQuantization> saved;
    std::vector<Parameter> parameters;  ///< also of weights: methods may start from others
    std::vector<Buffer> buffers;
    ~Restore() {
      for (std::size_t i = 0; i < saved.size(); ++i)
        network.set_quantization(static_cast<int>(i), std::move(saved[i]));
      for (std::size_t i = 0; i < parameters.size(); ++i)
        network.parameters()[i].value = std::move(parameters[i].value);
      for (std::size_t i = 0; i < buffers.size(); ++i)
        network.buffers()[i].value = std::move(buffers[i].value);
    }
  } restore{network, quantization_of(network), network.parameters(), network.buffers()};
  remove_quantization(network);

  Tensor images;
  std::vector<int> labels;
  std::int64_t seen = 0;
  for (std::int64_t batch = 0; batch < source.batches_per_epoch() && seen < wanted; ++batch) {
    source.fill(batch, images, labels);
    const std::int64_t used = std::min<std::int64_t>(images.batch(), wanted - seen);
    images.resize(static_cast<int>(used), images.shape());  // shrinking keeps the first images
    network.forward_observed(images, [&](int layer, const float* values, std::int64_t count) {
      observers[static_cast<std::size_t>(layer)].observe_part({values, static_cast<std::size_t>(count)});
    });
    for (auto& observer : observers) observer.end_batch();
    seen += used;
  }
  if (seen == 0) throw base::UserError("calibration needs at least one image");
}

/// Threshold of each scale, as a share of the largest weight it covers.
std::vector<float> clip_ratios(const Parameter& weight, const quant::LayerInfo& layer, int bits,
                               const quant::QuantizationOptions& options) {
  if (options.weight_calibration == quant::Calibration::minmax) return {};
  const std::vector<float> scales =
      quant::weight_scales(weight.value, layer.output.channels, bits, options.weight_granularity,
                           quant::weight_method(options), weight.name);
  const auto per_scale = static_cast<std::int64_t>(weight.value.size() / scales.size());
  const auto top = static_cast<float>(quant::integer_range(bits, true).high);
  std::vector<float> ratios;
  for (std::size_t c = 0; c < scales.size(); ++c) {
    const float largest =
        quant::max_abs(weight.value.data() + static_cast<std::int64_t>(c) * per_scale, per_scale);
    ratios.push_back(largest > 0.0f ? std::clamp(scales[c] * top / largest, 1e-3f, 1.0f) : 1.0f);
  }
  return ratios;
}

}  // namespace

float CalibrationTable::scale(int layer, int bits) const {
  base::require(layer >= 0 && layer < layers() && bits >= 1 && bits <= kMaxBits,
                "CalibrationTable: out of range");
  return scales_[static_cast<std::size_t>(layer)].scale[bits];
}

void CalibrationTable::set(int layer, int bits, float scale) {
  base::require(layer >= 0 && layer < layers() && bits >= 1 && bits <= kMaxBits,
                "CalibrationTable: out of range");
  scales_[static_cast<std::size_t>(layer)].scale[bits] = scale;
}

CalibrationTable calibrate(Network& network, BatchSource& source, const quant::QuantizationOptions& options) {
  if (options.calibration_images < 1)
    throw base::UserError(
        fmt::format("calibration_images: got {}, needs at least 1", options.calibration_images));
  const std::vector<int> tensors = network.info().quantize_nodes();
  const quant::ObserverOptions observer{.bins = options.histogram_bins};
  const quant::CalibrationMethod method = quant::activation_method(options);
  std::vector<quant::ActivationObserver> observers;
  for (const quant::LayerInfo& layer : network.info().layers)
    observers.emplace_back("input of " + layer.name, observer);
  for (int node : tensors)
    observers.emplace_back("input of " + network.info().nodes[static_cast<std::size_t>(node)].name, observer);
  observe_inputs(network, source, options.calibration_images, observers);

  CalibrationTable table(layer_count(network), static_cast<int>(tensors.size()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool is_signed = network.info().nodes[static_cast<std::size_t>(tensors[i])].output_signed;
    const float threshold =
        observers[network.info().layers.size() + i].threshold(kTensorBits, is_signed, method);
    table.set_tensor(static_cast<int>(i),
                     quant::scale_of_threshold(threshold, quant::integer_range(kTensorBits, is_signed)));
  }
  for (int layer = 0; layer < table.layers(); ++layer) {
    const bool is_signed = network.info().layers[static_cast<std::size_t>(layer)].input_signed;
    table.set_signed(layer, is_signed);
    for (int bits = is_signed ? 2 : 1; bits <= CalibrationTable::kMaxBits; ++bits) {
      const float threshold = observers[static_cast<std::size_t>(layer)].threshold(bits, is_signed, method);
      table.set(layer, bits, quant::scale_of_threshold(threshold, quant::integer_range(bits, is_signed)));
    }
  }
  return table;
}

void apply_policy(Network& network, const quant::Policy& policy, const CalibrationTable& table,
                  const quant::QuantizationOptions& options) {
  quant::validate_policy(network.info(), policy);
  base::require(table.layers() == layer_count(network), "apply_policy: the table is of another network");
  for (int layer = 0; layer < layer_count(network); ++layer) {
    const quant::LayerInfo& info = network.info().layers[static_cast<std::size_t>(layer)];
    const quant::LayerFormats formats = policy.layers[static_cast<std::size_t>(layer)];
    LayerQuantization q;
    q.weight_format = formats.weight;
    q.weight_granularity = options.weight_granularity;
    choose_methods(network.info(), layer, formats, options, q);
    if (formats.weight.is_integer() && q.weight_method == quant::WeightMethod::straight_through)
      q.weight_clip =
          clip_ratios(*network.find_parameter(info.name + ".weight"), info, formats.weight.code(), options);
    q.activation_bits = formats.activation.code();
    q.activation_signed = table.is_signed(layer);
    q.activation_dynamic = options.activation_scales == quant::ActivationScales::dynamic ||
                           options.activation_method == quant::ActivationMethod::bitnet;
    if (q.quantizes_activations()) {
      const int tensor = q.activation_bits == kTensorBits ? tensor_read_by(network.info(), info) : -1;
      q.activation_scale = tensor >= 0 ? table.tensor_scale(tensor) : table.scale(layer, q.activation_bits);
    }
    network.set_quantization(layer, std::move(q));
  }
  const bool quantizes = policy.quantizes();
  set_tensor_scales(network, [&](int tensor) { return quantizes ? table.tensor_scale(tensor) : 0.0f; });
}

void remove_quantization(Network& network) {
  for (int layer = 0; layer < layer_count(network); ++layer) network.set_quantization(layer, {});
  set_tensor_scales(network, [](int) { return 0.0f; });
}

void recalibrate_batch_norm(Network& network, BatchSource& source, std::int64_t images) {
  network.reset_running_statistics();
  const std::int64_t wanted = images > 0 ? images : source.images();
  Tensor batch;
  std::vector<int> labels;
  std::int64_t seen = 0;
  for (std::int64_t step = 0; step < source.batches_per_epoch() && seen < wanted; ++step) {
    source.fill(step, batch, labels);
    const std::int64_t used = std::min<std::int64_t>(batch.batch(), wanted - seen);
    seen += used;
    if (used < 2) continue;  // an image alone has no variance where a batch norm sees one pixel
    batch.resize(static_cast<int>(used), batch.shape());
    network.forward(batch, Mode::recalibrate);
  }
  for (const Buffer& buffer : network.buffers())
    if (!std::ranges::all_of(buffer.value, [](float value) { return std::isfinite(value); }))
      throw base::UserError(
          fmt::format("training diverged: '{}' is not finite after re-calibration; lower learning_rate, or "
                      "look at the data's "
                      "normalisation",
                      buffer.name));
}

}  // namespace bitsmith::trainer
