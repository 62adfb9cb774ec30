#pragma once

namespace bitsmith::trainer::ptq {

enum class Rounding { nearest, adaround };
enum class BiasCorrection { none, analytic, empirical };

/// What a layer is fitted to, one layer after the other.
struct SampleOptions {
  int images = 1024;      ///< that also empirical bias correction and the layers' errors see
  int positions = 16384;  ///< of a layer's output, spread over the images
  int batch = 512;        ///< of them in one iteration
};

/// AdaRound (Nagel et al. 2020), layer by layer.
struct AdaRoundOptions {
  int iterations = 1500;                 ///< of each layer
  double learning_rate = 0.01;           ///< Adam; 0.001 where there are ten times as many iterations
  double regularization = 0.01;          ///< lambda: weight of the term that draws every weight up or down
  double warmup = 0.2;                   ///< share of the iterations without it
  double beta_start = 20, beta_end = 2;  ///< its exponent, along half a cosine after the warm-up
};

/// K-means codebooks: centroids moved along the gradient, each weight staying in its cluster.
struct CentroidOptions {
  int iterations = 500;         ///< of each layer; 0: centroids stay the means of their clusters
  double learning_rate = 1e-3;  ///< Adam, in units of the layer's largest centroid; half a cosine to 0
};

/// The steps of post-training quantization, in the order in which they are taken.
struct PtqOptions {
  bool fold_batch_norms = true;
  /// Ranges across layers, and biases across activations: for one weight scale per tensor. With a scale for
  /// each channel there is nothing to win, and activations get harder to quantize.
  bool equalize = false;
  bool absorb_biases = false;
  SampleOptions sample;
  Rounding rounding = Rounding::adaround;  ///< of integers
  AdaRoundOptions adaround;
  CentroidOptions centroids;
  BiasCorrection bias_correction = BiasCorrection::empirical;
};

}  // namespace bitsmith::trainer::ptq
