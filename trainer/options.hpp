#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/arithmetic.hpp"
#include "trainer/data/array_layout.hpp"
#include "trainer/data/preprocessing.hpp"

namespace bitsmith::trainer {

enum class DataFormat { fashion_mnist, idx, cifar10, hdf5, folder, numpy };

/// Which images, and how they are split and prepared.
struct DataOptions {
  DataFormat format = DataFormat::fashion_mnist;
  std::vector<std::string> train_files;  ///< by format, see data/README.md
  std::vector<std::string> test_files;   ///< likewise; never read before the very end of a run
  int train_images = 0;                  ///< of the training part after the split; 0: all
  int validation_images = 5000;  ///< taken from the training files, class-balanced by the split's seed
  int test_images = 0;           ///< 0: all
  ArrayLayout layout = ArrayLayout::nchw;  ///< of the images of format numpy
  Preprocessing preprocessing;             ///< before mean and deviation
  std::vector<double> mean;  ///< per channel, of pixels scaled to 0..1; empty: measured on the training part
  std::vector<double> deviation;
  int pad = 0;            ///< pixels of black border added on each side, always (28x28 -> 32x32 with 2)
  int crop_pad = 0;       ///< augmentation: pad by this much, then crop at random; 0: off
  bool flip = true;       ///< augmentation: mirror half of the images
  int memory_mib = 1024;  ///< images of more than this stay in their files; results do not depend on it
  int split_seed = 1;     ///< of the split alone, so that runs with other seeds see the same split
};

enum class OptimizerKind { sgd, adam };
enum class ScheduleKind { constant, step, cosine, cosine_restarts };
enum class StopMetric { accuracy, loss };

/// One stretch of training: the initial one, a short fine-tune of a candidate, or the long one of the winner.
struct TrainOptions {
  double epochs = 10;  ///< over the training part; fractions allowed
  int batch = 128;
  int shards = 4;  ///< parts of a batch, each on one thread; part of the result, unlike the thread count
  /// Of products. The integer forward is that of quantized layers alone.
  Arithmetic arithmetic = {ForwardArithmetic::integer, BackwardArithmetic::fp32};
  OptimizerKind optimizer = OptimizerKind::sgd;
  double learning_rate = 0.1;
  double momentum = 0.9;              ///< sgd
  bool nesterov = true;               ///< sgd
  double beta1 = 0.9, beta2 = 0.999;  ///< adam
  double weight_decay = 5e-4;         ///< convolution and linear weights only
  ScheduleKind schedule = ScheduleKind::cosine;
  double warmup_epochs = 0.0;       ///< linear from 0
  std::vector<double> step_epochs;  ///< schedule step: where the rate is multiplied by step_factor
  double step_factor = 0.1;
  double restart_epochs = 1.0;  ///< schedule cosine_restarts: length of the first period
  double restart_factor = 2.0;  ///< schedule cosine_restarts: each period over the one before
  double label_smoothing = 0.0;
  double mixup = 0.0;         ///< alpha of the Beta distribution that mixes pairs of images; 0: off
  double clip_norm = 0.0;     ///< upper bound of the L2 norm of all gradients together; 0: off
  double ema = 0.0;           ///< decay of the moving average of the weights; 0: off
  double distillation = 0.0;  ///< weight of the teacher's answers in the loss; 0: off
  double distillation_temperature = 4.0;
  int early_stopping = 0;  ///< evaluations without improvement after which training ends; 0: never
  StopMetric stop_metric = StopMetric::accuracy;
  double min_improvement = 0.0;  ///< of the metric, to count as one
  double rollback_factor = 0.1;  ///< of the learning rate after a divergence, which is undone once; 0: never
  int checkpoint_steps = 0;      ///< a checkpoint every so many steps, besides each epoch's; 0: none
};

}  // namespace bitsmith::trainer
