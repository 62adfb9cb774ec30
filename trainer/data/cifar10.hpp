#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// CIFAR-10 binary batches (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): records of one
/// label byte and 32x32 pixels as a red, a green and a blue plane; gzipped or not. Files are taken in the
/// order named. Always loaded: the whole of CIFAR-10 is 180 MB.
Dataset load_cifar10(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
