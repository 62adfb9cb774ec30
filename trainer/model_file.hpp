#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "trainer/deployed_model.hpp"

namespace bitsmith::trainer {

/// A deployed model as one file (`.bsm`), format version 2. Little-endian; every number is where the header
/// and the description say, aligned, without pointers, so that a file can be mapped into memory as it is.
///
///   bytes   content
///   0..7    "BITSMITH"
///   8..11   u32 format version
///   12..15  u32 0
///   16..23  u64 size of the file
///   24..31  u64 size of the description
///   32..39  u64 where the numbers begin: 64 + size of the description, rounded up to a multiple of 64
///   40..55  0
///   56..63  u64 XXH3 of bytes 0..55 and then of bytes 64 to the end, as one stream
///   64..    the description: JSON; then zeros; then the numbers, each array at a multiple of 64
///
/// The description: `network` {name, input [C, H, W], nodes [{name, op, inputs, outputs (conv, linear),
/// window [kernel h w, stride h w, dilation h w, padding top left bottom right], groups, bias, epsilon}]},
/// `layers`
/// [{name, weight_bits, activation_bits, kernel}], `steps` [{key, ...}], `input` {mean, deviation, pad, and
/// as they are given color ("gray", "rgb"), resize, crop, classes: see data/preprocessing.hpp}, `provenance`
/// {...}, and `activations` "dynamic" where their scales are found as they come. The steps are not free: they
/// are what quant::lower makes of network, bits and kernels, and `key` (Step::shape_key) says what that was.
/// A step's arrays are {offset, bytes} from where the numbers begin: `multiplier` and `bias` f32, `weights`
/// at their true width (a value v of b bits is the lowest b bits of its two's complement; value i takes bits
/// i*b .. i*b+b-1 of the array, counted from the lowest bit of byte 0) or f32; of a format other than
/// integers, which `weight_bits` names, what quant::pack made of it, and `scales` tells whether fp32 scales
/// are of each "channel" or of the "tensor". Its scalars: `low`, `high` (null: infinite), `scale`, `range`
/// [low, high]. Layers may have `output_scale` and the array `weight_scales` (f32, one or one a channel):
/// what their integers stand for, which no kernel needs and earlier programs neither wrote nor read.
inline constexpr std::uint32_t kModelFileVersion = 2;
inline constexpr std::string_view kModelFileMagic = "BITSMITH";

std::string model_to_bytes(const DeployedModel& model);
/// Throws UserError (`name`: what is wrong) for bytes that are no model, of another version, truncated,
/// damaged, or that contradict themselves. Nothing is read or allocated that the size of `bytes` does not
/// cover.
DeployedModel model_from_bytes(std::string_view bytes, const std::string& name);

/// Atomic: kill -9 leaves the old file or the new one.
void save_model(const DeployedModel& model, const std::filesystem::path& path);
DeployedModel load_model(const std::filesystem::path& path);

}  // namespace bitsmith::trainer
