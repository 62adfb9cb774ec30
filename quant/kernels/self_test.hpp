#pragma once

namespace bitsmith::quant {

/// Every row of the kernel table that is a choice here, on a few tiny layers, against reference_layer:
/// milliseconds. Throws InternalError with the row and the layer that differ. Debug builds call it once, at
/// start: a compiler or a CPU that computes something else is found before it has priced or trained anything.
void self_test_kernels();

}  // namespace bitsmith::quant
