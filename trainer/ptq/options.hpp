#pragma once

namespace bitsmith::trainer::ptq {

enum class Rounding { nearest, adaround };
enum class BiasCorrection { none, analytic, empirical };

/// AdaRound (Nagel et al. 2020), layer by layer.
struct AdaRoundOptions {
  int iterations = 1500;                 ///< of each layer
  int positions = 16384;                 ///< output positions a layer is fitted to, over all images
  int batch = 512;                       ///< of them in an iteration
  double learning_rate = 0.01;           ///< Adam; 0.001 where there are ten times as many iterations
  double regularization = 0.01;          ///< lambda: weight of the term that draws every weight up or down
  double warmup = 0.2;                   ///< share of the iterations without it
  double beta_start = 20, beta_end = 2;  ///< its exponent, along half a cosine after the warm-up
};

/// The steps of post-training quantization, in the order in which they are taken.
struct PtqOptions {
  bool fold_batch_norms = true;
  bool equalize = true;  ///< ranges across layers
  bool absorb_biases = true;
  Rounding rounding = Rounding::adaround;
  AdaRoundOptions adaround;
  BiasCorrection bias_correction = BiasCorrection::empirical;
  int images = 1024;  ///< that AdaRound, empirical bias correction and the layers' errors see
};

}  // namespace bitsmith::trainer::ptq
