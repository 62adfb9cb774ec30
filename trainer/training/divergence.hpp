#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/network.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// The losses of a training, smoothed.
struct LossWatch {
  std::int64_t losses = 0;
  double average = 0.0;  ///< exponential moving average, not corrected for its start at 0
  double best = 0.0;     ///< the smallest smoothed loss so far
};

/// Takes one more loss; whether it explodes: smoothed (decay 0.9, bias-corrected) it is above 5 times the sum
/// of its best so far and the logarithm of `classes`, which is the loss of uniform guessing. No training that
/// learns is ever there; one that guesses wrongly with growing certainty soon is.
bool explodes(LossWatch& watch, double loss, std::int64_t classes);

/// The latest smoothed loss.
double smoothed(const LossWatch& watch);

bool all_finite(const std::vector<float>& values);
/// Of the values, not the gradients.
bool all_finite(const std::vector<Parameter>& parameters);
bool all_finite(const std::vector<Buffer>& buffers);

/// Names the first thing, in the order in which a step computes, that is not finite after a forward on
/// `images`: one of the images, a parameter's value, a batch norm's statistics, the input of a layer; where
/// `backward` was run too and none of these is, a gradient (that nearest to the loss). Empty where all is
/// finite. Slow, and leaves the network's activations those of an evaluation: for when a step went wrong.
std::string first_not_finite(Network& network, const Tensor& images, bool backward);

/// Names the parameter with the largest magnitude and says that: where to look when all is finite.
std::string largest_parameter(const Network& network);

}  // namespace bitsmith::trainer
