#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = activation(gamma * (x - mean) / sqrt(variance + epsilon) + beta), per channel (Ioffe, Szegedy 2015).
/// Training normalises by the batch's mean and biased variance, and moves the running ones by 0.1 towards the
/// batch's mean and unbiased variance; frozen, it normalises by the running ones, which are constants to the
/// gradient, and leaves them alone. The activation costs no pass of its own, forward or backward.
class BatchNorm : public Layer {
 public:
  static constexpr double kMomentum = 0.1;

  explicit BatchNorm(const LayerArguments& arguments);

  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  bool recomputes() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }

  void prepare(Mode mode) override;
  bool gathers(Mode mode) const override { return mode != Mode::evaluate; }
  void gather(const ForwardPart& part) override;
  void reduce(int parts, Mode mode) override;
  void forward(const ForwardPart& part) override;

  bool gathers_backward() const override { return true; }
  void gather_backward(const BackwardPart& part) override;
  void reduce_backward(int parts) override;
  void backward(const BackwardPart& part) override;

  void restart_running_statistics() override { recalibrated_batches_ = 0; }
  void freeze_statistics(bool frozen) override { frozen_ = frozen; }

 private:
  /// What one part contributes, per column of the folded view.
  struct Sums {
    std::int64_t count = 0;  ///< values per channel
    std::vector<float> shift;
    std::vector<double> first, second;
  };

  template <typename Pass>
  void for_rows(int samples, const Pass& pass) const;
  void fold(const Sums& sums, std::size_t channel, double& first, double& second) const;
  void update_running(std::size_t channel, double mean, double unbiased_variance, Mode mode);
  void set_tables(std::size_t channel, double mean, double variance);
  std::span<float> table(std::size_t index) { return {tables_.data() + index * width_, width_}; }

  Activation activation_;
  Parameter &gamma_, &beta_;
  Buffer &running_mean_, &running_var_;
  double epsilon_;
  std::size_t channels_;
  std::size_t width_;       ///< columns of the view that the passes see: whole pixels, side by side
  std::int64_t pixels_;     ///< per sample
  std::int64_t count_ = 0;  ///< values per channel in the last gathered batch
  std::int64_t recalibrated_batches_ = 0;
  bool frozen_ = false;
  std::vector<float> tables_;  ///< mean, scale, beta, slope, offset, each repeated to width_
  std::vector<double> inverse_deviation_;
  std::vector<Sums> sums_;
};

}  // namespace bitsmith::trainer
