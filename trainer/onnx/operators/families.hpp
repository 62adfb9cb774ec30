#pragma once

#include <span>

#include "trainer/onnx/evaluate.hpp"

/// The table's parts: each family's rows stand at the end of its own file.
namespace bitsmith::trainer::onnx {

std::span<const OperatorRow> activation_rows();    // activations.cpp
std::span<const OperatorRow> unary_rows();         // unary.cpp
std::span<const OperatorRow> arithmetic_rows();    // arithmetic.cpp
std::span<const OperatorRow> comparison_rows();    // comparisons.cpp
std::span<const OperatorRow> cast_rows();          // cast.cpp
std::span<const OperatorRow> convolution_rows();   // convolution.cpp
std::span<const OperatorRow> product_rows();       // products.cpp
std::span<const OperatorRow> pool_rows();          // pools.cpp
std::span<const OperatorRow> norm_rows();          // norms.cpp
std::span<const OperatorRow> softmax_rows();       // softmax.cpp
std::span<const OperatorRow> reduction_rows();     // reductions.cpp
std::span<const OperatorRow> join_rows();          // joins.cpp
std::span<const OperatorRow> slice_rows();         // slices.cpp
std::span<const OperatorRow> reshape_rows();       // reshapes.cpp
std::span<const OperatorRow> arrangement_rows();   // arrangements.cpp
std::span<const OperatorRow> gather_rows();        // gathers.cpp
std::span<const OperatorRow> constant_rows();      // constants.cpp
std::span<const OperatorRow> pad_rows();           // pads.cpp
std::span<const OperatorRow> resize_rows();        // resize.cpp
std::span<const OperatorRow> quantization_rows();  // quantization.cpp

}  // namespace bitsmith::trainer::onnx
