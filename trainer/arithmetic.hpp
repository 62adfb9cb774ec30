#pragma once

namespace bitsmith::trainer {

/// What the products of layers are computed in. Activations between layers, sums, and everything that is no
/// product are fp32.
///
/// integer: layers whose quantized input and weights are small integers multiply these exactly, u8/s8 times
/// s8 into 32 bits, as the deployed kernels do; other layers are computed in fp32. bf16: operands rounded to
/// bf16, sums in fp32; where there are such small integers they are what is multiplied: bf16 holds them
/// exactly.
///
/// A CPU without 8-bit dot products (VNNI) computes `integer`, and one without bf16 instructions `bf16`, in
/// fp32.
enum class ForwardArithmetic { integer, bf16, fp32 };
enum class BackwardArithmetic { bf16, fp32 };

struct Arithmetic {
  ForwardArithmetic forward = ForwardArithmetic::fp32;
  BackwardArithmetic backward = BackwardArithmetic::fp32;
  bool operator==(const Arithmetic&) const = default;
};

}  // namespace bitsmith::trainer
