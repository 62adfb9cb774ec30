#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

inline constexpr std::int64_t kOldestOpset = 9, kNewestOpset = 21;

/// Reads an ONNX file, external data included. Nodes come out in an order in which each comes after what it
/// reads.
///
/// Throws UserError, naming file and place, for: no such file, no protocol buffer, a truncated one, no graph,
/// opsets other than 9 to 21, tensors whose bytes are not what type and dims say (checked before anything is
/// allocated), negative or absurd dims, types that Tensor does not have, names that are given twice, nodes
/// that read what nobody gives, cycles, functions, sparse initializers, external data outside the model's
/// folder or past its file's end. What is wrong with the graph is listed all at once.
///
/// Attributes that Attribute has no room for (sub-graphs, sparse tensors, strings in tensors) are of
/// Kind::other: whether that matters only their operator knows.
Model read_model(const std::filesystem::path& file);

/// The same of bytes in memory; `name` is for messages, and `folder` where external data lies.
Model parse_model(std::string_view bytes, std::string_view name, const std::filesystem::path& folder);

/// Of all that a model computes: its nodes, attributes and constants, wherever they are stored.
std::uint64_t content_hash(const Model& model);

/// The bytes of an ONNX file, the same for the same model: weights as raw_data in the file itself. Throws
/// UserError for a model of 2 GiB or more.
std::string model_to_bytes(const Model& model);

/// Writes these atomically. Throws UserError where the file cannot be written.
void write_model(const Model& model, const std::filesystem::path& file);

}  // namespace bitsmith::trainer::onnx
