#pragma once

#include <string>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// What follows a batch norm.
enum class After { nothing, relu, relu6 };

/// Convolution without bias, batch norm `PREFIX.bnN` for a convolution `PREFIX.convN`, and an activation
/// `PREFIX.reluN` if asked. `convolution` is the full name, e.g. "layer1.0.conv2"; returns the last node.
int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            quant::Window window, int groups, After after);

/// With a square kernel; padding keeps the size (up to the stride).
int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            int kernel, int stride, int groups, After after);

/// A depthwise 3x3 and a pointwise convolution, `PREFIX.depthwise.conv` and `PREFIX.pointwise.conv`, with
/// batch norm and ReLU each (Howard et al. 2017, figure 3).
int separable_conv(quant::NetworkBuilder& net, const std::string& prefix, int from, int out_channels,
                   int stride);

/// Global average pooling, flatten, linear "fc".
void classifier(quant::NetworkBuilder& net, int from, int classes);

/// `channels * width` as the nearest multiple of 8, at least 8, and the next one up where that would lose
/// more than a tenth: what the MobileNets' authors do (TensorFlow models, slim/nets/mobilenet,
/// make_divisible).
int scaled_channels(int channels, double width);

/// The MobileNets halve an image five times, too often for small ones: below this many pixels on the shorter
/// side, some of the first strides are 1.
inline constexpr int kLargeInput = 128;
bool is_large(const quant::Shape& input);

}  // namespace bitsmith::trainer
