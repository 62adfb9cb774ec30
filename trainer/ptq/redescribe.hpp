#pragma once

#include "trainer/network.hpp"

namespace bitsmith::trainer::ptq {

/// A network of another description with the numbers of `from`: parameters and buffers of the same name
/// keep their values; parameters that `from` does not have are 0. Nothing is quantized.
Network redescribe(const Network& from, quant::NetworkInfo info);

/// Every ReLU6 as a ReLU: cross-layer equalization needs activations that scale with their input. Another
/// function, unless no value exceeds 6. `replaced` counts them; without any, the network is a plain copy.
Network with_relu_for_relu6(const Network& from, int& replaced);

}  // namespace bitsmith::trainer::ptq
