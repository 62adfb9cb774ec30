#pragma once

#include <string>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// Convolution without bias, batch norm `PREFIX.bnN` for a convolution `PREFIX.convN`, and ReLU if asked;
/// padding keeps the size (up to the stride). `convolution` is the full name, e.g. "layer1.0.conv2"; returns
/// the last node.
int conv_bn(quant::NetworkBuilder& net, const std::string& convolution, int from, int out_channels,
            int kernel, int stride, int groups, bool relu);

/// Global average pooling, flatten, linear "fc".
void classifier(quant::NetworkBuilder& net, int from, int classes);

}  // namespace bitsmith::trainer
