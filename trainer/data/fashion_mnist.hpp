#pragma once

#include <span>
#include <string>

#include "trainer/data/loader.hpp"

namespace bitsmith::trainer {

/// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017: 28x28 grey, 10 classes, 60,000 + 10,000) from
/// $FASHION_MNIST_DIR, or from where Debian's package dataset-fashion-mnist puts it. Files are not named by
/// the user.
Dataset load_fashion_mnist(std::span<const std::string> files, const ReadOptions& options);

}  // namespace bitsmith::trainer
