#include "trainer/ptq/ptq.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/ptq/absorb_bias.hpp"
#include "trainer/ptq/correct_bias.hpp"
#include "trainer/ptq/equalize.hpp"
#include "trainer/ptq/expected_activations.hpp"
#include "trainer/ptq/finetune_centroids.hpp"
#include "trainer/ptq/fix_weights.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"
#include "trainer/ptq/redescribe.hpp"
#include "trainer/qat.hpp"

namespace bitsmith::trainer::ptq {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The first `wanted` images of the source as one batch.
Tensor gather_images(BatchSource& source, int wanted) {
  const auto count = static_cast<int>(std::min<std::int64_t>(wanted, source.images()));
  if (count < 1) throw base::UserError("post-training quantization needs at least one image");
  Tensor all(count, source.shape()), batch;
  std::vector<int> labels;
  std::int64_t step = 0;
  for (int seen = 0; seen < count;) {
    source.fill(step++, batch, labels);
    const int used = std::min(batch.batch(), count - seen);
    std::copy_n(batch.data(), used * source.shape().elements(), all.sample(seen));
    seen += used;
  }
  return all;
}

std::string counted(int n, const char* one, const char* more) {
  return fmt::format("{} {}", n, n == 1 ? one : more);
}

class Pipeline {
 public:
  Pipeline(const Network& trained, const quant::Policy& policy, BatchSource& source,
           const quant::QuantizationOptions& quantization, const PtqOptions& options, std::uint64_t seed,
           const PtqHooks& hooks)
      : policy_(policy),
        source_(source),
        quantization_(quantization),
        options_(options),
        seed_(seed),
        hooks_(hooks),
        floats_(trained.clone()) {}

  PtqResult run() && {
    remove_quantization(floats_);
    float_step("trained", {}, 0);
    fold();
    if (options_.equalize) equalize_ranges();
    if (options_.absorb_biases) absorb();

    const Tensor images = gather_images(source_, options_.sample.images);
    Network quantized = quantized_copy();
    fix_weights(quantized);
    std::vector<LayerRounding> roundings(policy_.layers.size());
    if (options_.rounding == Rounding::adaround &&
        weights_are([](quant::Format f) { return f.is_integer(); }))
      take(roundings, learn_rounding(quantized, images));
    if (options_.centroids.iterations > 0 && weights_are(has_centroids))
      take(roundings, learn_centroids(quantized, images));
    if (options_.bias_correction != BiasCorrection::none) correct_biases(quantized, images);
    std::vector<LayerError> errors = layer_errors(quantized, floats_, images);
    return {std::move(quantized), std::move(steps_), std::move(errors), std::move(roundings)};
  }

 private:
  /// The fp32 network as it is now, under the policy.
  Network quantized_copy() {
    Network network = floats_.clone();
    apply_policy(network, policy_, calibrate(network, source_, quantization_), quantization_);
    return network;
  }

  template <typename Is>
  bool weights_are(const Is& is) const {
    return std::ranges::any_of(policy_.layers, [&](const auto& formats) { return is(formats.weight); });
  }

  /// Of each layer one step at most has something to say.
  static void take(std::vector<LayerRounding>& into, const std::vector<LayerRounding>& from) {
    for (std::size_t l = 0; l < into.size(); ++l)
      if (from[l].nearest_loss > 0) into[l] = from[l];
  }

  void record(PtqStep step) {
    steps_.push_back(std::move(step));
    if (hooks_.after_step) hooks_.after_step(steps_.back());
  }

  void float_step(const char* name, std::string note, double seconds) {
    Network quantized = quantized_copy();
    record({name, hooks_.accuracy(floats_), hooks_.accuracy(quantized), seconds, std::move(note)});
  }

  void fold() {
    const Stopwatch watch;
    FoldedNetwork folded = fold_batch_norms(floats_, options_.fold_batch_norms);
    floats_ = std::move(folded.network);
    outputs_ = std::move(folded.outputs);
    const double seconds = watch.seconds();
    if (options_.fold_batch_norms)
      float_step("fold batch norms", counted(folded.folded, "batch norm", "batch norms"), seconds);
  }

  void equalize_ranges() {
    const Stopwatch watch;
    int replaced = 0;
    floats_ = with_relu_for_relu6(floats_, replaced);
    const EqualizeReport report = equalize(floats_, outputs_);
    const double seconds = watch.seconds();
    float_step(
        "equalize",
        fmt::format("{}, {}, {}{}", counted(report.pairs, "pair", "pairs"),
                    counted(report.triples, "triple", "triples"), counted(report.sweeps, "sweep", "sweeps"),
                    replaced > 0 ? fmt::format(", {} ReLU6 made ReLU", replaced) : ""),
        seconds);
  }

  void absorb() {
    const Stopwatch watch;
    const int channels = absorb_high_biases(floats_, outputs_);
    float_step("absorb biases", counted(channels, "channel", "channels"), watch.seconds());
  }

  static double share_of_nearest(const std::vector<LayerRounding>& roundings) {
    double before = 0, after = 0;
    for (const LayerRounding& rounding : roundings) {
      before += rounding.nearest_loss;
      after += rounding.loss;
    }
    return before > 0 ? after / before : 1;
  }

  std::vector<LayerRounding> learn_rounding(Network& quantized, const Tensor& images) {
    const Stopwatch watch;
    auto roundings =
        adaround(quantized, floats_, images, options_.sample, options_.adaround, seed_, hooks_.progress);
    const double seconds = watch.seconds();
    rounded_step("AdaRound", quantized, seconds,
                 fmt::format("{} iterations, loss {:.3f} of nearest", options_.adaround.iterations,
                             share_of_nearest(roundings)));
    return roundings;
  }

  std::vector<LayerRounding> learn_centroids(Network& quantized, const Tensor& images) {
    const Stopwatch watch;
    auto fits = finetune_centroids(quantized, floats_, images, options_.sample, options_.centroids, seed_,
                                   hooks_.progress);
    const double seconds = watch.seconds();
    rounded_step("fine-tune centroids", quantized, seconds,
                 fmt::format("{} iterations, loss {:.3f} of k-means", options_.centroids.iterations,
                             share_of_nearest(fits)));
    return fits;
  }

  void correct_biases(Network& quantized, const Tensor& images) {
    const Stopwatch watch;
    std::string note;
    if (options_.bias_correction == BiasCorrection::empirical) {
      correct_biases_empirically(quantized, floats_, images);
      note = counted(images.batch(), "image", "images");
    } else {
      const auto left =
          correct_biases_analytically(quantized, floats_, expected_activations(floats_, outputs_));
      note = fmt::format("{} left: the mean of their input is not known",
                         counted(static_cast<int>(left.size()), "layer", "layers"));
    }
    const double seconds = watch.seconds();
    rounded_step("correct biases", quantized, seconds, std::move(note));
  }

  void rounded_step(const char* name, Network& quantized, double seconds, std::string note) {
    record({name, std::numeric_limits<double>::quiet_NaN(), hooks_.accuracy(quantized), seconds,
            std::move(note)});
  }

  const quant::Policy& policy_;
  BatchSource& source_;
  const quant::QuantizationOptions& quantization_;
  const PtqOptions& options_;
  const std::uint64_t seed_;
  const PtqHooks& hooks_;
  Network floats_;                       ///< what has been made of the trained network so far, in fp32
  std::vector<ChannelMoments> outputs_;  ///< per layer
  std::vector<PtqStep> steps_;
};

}  // namespace

PtqResult quantize_after_training(const Network& trained, const quant::Policy& policy, BatchSource& images,
                                  const quant::QuantizationOptions& quantization, const PtqOptions& options,
                                  std::uint64_t seed, const PtqHooks& hooks) {
  quant::validate_policy(trained.info(), policy);
  return Pipeline(trained, policy, images, quantization, options, seed, hooks).run();
}

}  // namespace bitsmith::trainer::ptq
