#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "quant/options.hpp"
#include "search/evaluator.hpp"
#include "trainer/batch_source.hpp"
#include "trainer/network.hpp"
#include "trainer/options.hpp"
#include "trainer/qat.hpp"
#include "trainer/training/train_state.hpp"

namespace bitsmith::search {

/// Fresh views of one data set: parallel candidates take one each.
struct CandidateData {
  using MakeSource = std::function<std::unique_ptr<trainer::BatchSource>()>;
  /// Shuffled and augmented training images, for a batch size and a seed.
  std::function<std::unique_ptr<trainer::BatchSource>(int batch, std::uint64_t seed)> training;
  MakeSource recalibration;  ///< training images in order, without augmentation
  /// The first `images` validation images in order; 0: all.
  std::function<std::unique_ptr<trainer::BatchSource>(int images)> validation;
  std::function<void(std::string_view fact)> note;  ///< what trainings tell, from any thread; may be empty
};

/// How much work a candidate gets.
struct CandidateRecipe {
  trainer::TrainOptions train;   ///< epochs 0: post-training quantization only
  int recalibration_images = 0;  ///< batch-norm statistics under the policy; 0: keep them
  int validation_images = 0;     ///< 0: all
};

/// What a candidate leaves to those who ask for it.
struct KeptCandidate {
  std::unique_ptr<trainer::Network> network;  ///< quantized
  std::vector<trainer::EpochRecord> curve;    ///< of its fine-tune
};

/// Turns a trained network and a policy into a quantized network: calibrated scales, a fine-tune of the
/// latent weights (with distillation, the trained network is the teacher; with early stopping, the validation
/// images of the recipe judge), re-calibrated batch norms, and its score. Thread-safe; networks are reused,
/// one for each candidate in flight, and one more as its teacher. The result is a function of (trained
/// network, policy, recipe, seed).
class CandidateTrainer {
 public:
  /// `trained` is copied. `table` has the activation scales of the trained network.
  CandidateTrainer(const trainer::Network& trained, trainer::CalibrationTable table,
                   quant::QuantizationOptions quantization, CandidateData data);

  /// With `keep` each epoch of the fine-tune is validated too. A policy that is fp32 throughout is fine-tuned
  /// and scored like any other.
  Evaluation score(const quant::Policy& policy, const CandidateRecipe& recipe, std::uint64_t seed,
                   KeptCandidate* keep = nullptr);

  const quant::NetworkInfo& network() const { return trained_.info(); }

 private:
  using Pool = std::vector<std::unique_ptr<trainer::Network>>;
  std::unique_ptr<trainer::Network> take(Pool& idle);
  void give_back(std::unique_ptr<trainer::Network> network, Pool& idle);
  /// `frozen`: whether batch norms ended up with the statistics that they had been trained with.
  std::vector<trainer::EpochRecord> train(trainer::Network& network, const quant::Policy& policy,
                                          const CandidateRecipe& recipe, std::uint64_t seed,
                                          bool judge_epochs, bool& frozen);

  trainer::Network trained_;
  trainer::CalibrationTable table_;
  quant::QuantizationOptions quantization_;
  CandidateData data_;
  std::mutex mutex_;
  Pool idle_, idle_teachers_;
};

}  // namespace bitsmith::search
