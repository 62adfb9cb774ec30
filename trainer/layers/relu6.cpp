#include "trainer/layers/relu6.hpp"

namespace bitsmith::trainer {

Relu6::Relu6(const LayerArguments& arguments) : Relu(arguments, Activation::relu6()) {}

}  // namespace bitsmith::trainer
