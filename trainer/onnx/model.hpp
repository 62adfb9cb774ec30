#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// ONNX files as plain data: what protocol buffers hold, without their classes. Reading, writing, checking
/// and evaluating are files of their own.
namespace bitsmith::trainer::onnx {

/// The numbers are ONNX's (TensorProto.DataType).
enum class ElementType {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16,
  uint4 = 21,
  int4 = 22
};
std::string_view element_type_name(ElementType type);  ///< as numpy says it; "?" for others
/// Bits of one element in memory; 0 for strings and unknown types.
int element_bits(ElementType type);

using Dims = std::vector<std::int64_t>;
std::string show(const Dims& dims);  ///< "1x3x32x32", "scalar"
/// A name of a file for a message: control characters and what is no UTF-8 as \xNN, long ones cut in the
/// middle.
std::string printable(std::string_view name);
std::string shown(std::string_view name);  ///< the same in quotes

inline constexpr std::int64_t kMostElements = std::int64_t{1} << 30;  ///< of one tensor
inline constexpr std::size_t kMostDims = 32;
/// The product, or nothing for dims that are negative, more than kMostDims, or of more than `most` elements
/// without counting zeros: what is computed of some of the dims cannot overflow either.
std::optional<std::int64_t> count_elements(const Dims& dims, std::int64_t most = kMostElements);
/// Bytes of that many elements in memory; 4-bit ones two to a byte.
std::size_t bytes_of(ElementType type, std::int64_t elements);

/// Row-major elements as ONNX's raw_data has them: little endian; 4-bit ones two to a byte, the first in the
/// low half; booleans a byte each.
struct Tensor {
  ElementType type = ElementType::undefined;
  Dims dims;
  std::vector<std::byte> bytes;

  std::int64_t elements() const;
  /// Throws InternalError unless T is what `type` says (bool: std::uint8_t; the 16-bit floats:
  /// std::uint16_t).
  template <typename T>
  std::span<const T> as() const;
  template <typename T>
  std::span<T> as();

  /// Zeros. Throws InternalError for dims that count_elements refuses, and types without a width.
  static Tensor make(ElementType type, Dims dims);
  static Tensor of(Dims dims, std::span<const float> values);
  static Tensor of(Dims dims, std::span<const std::int64_t> values);
};

struct Attribute {
  enum class Kind { real, integer, string, tensor, reals, integers, strings, other };
  Kind kind = Kind::other;
  float real = 0;
  std::int64_t integer = 0;
  std::string string;
  Tensor tensor;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;
  std::vector<std::string> strings;
};

struct Node {
  std::string name;                  ///< may be empty, need not be unique
  std::string op;                    ///< "Conv", ...
  std::string domain;                ///< empty: ONNX's own
  std::vector<std::string> inputs;   ///< of tensors; empty: left out
  std::vector<std::string> outputs;  ///< likewise
  std::map<std::string, Attribute, std::less<>> attributes;

  const Attribute* find(std::string_view attribute) const;
  /// These throw UserError where the attribute is there and of another kind.
  std::int64_t integer(std::string_view attribute, std::int64_t otherwise) const;
  float real(std::string_view attribute, float otherwise) const;
  std::string text(std::string_view attribute, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view attribute, std::vector<std::int64_t> otherwise) const;
  /// "Conv '/layer1/conv'": for messages; the first output's name where there is no other.
  std::string title() const;
};

/// An input or output of a graph. A dimension that is not known is -1, and may have a name.
struct Value {
  std::string name;
  ElementType type = ElementType::undefined;
  bool has_shape = false;
  Dims dims;
  std::vector<std::string> dim_names;  ///< as many as dims; empty: none
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;  ///< in an order in which each comes after what it reads
  std::map<std::string, Tensor, std::less<>> initializers;
  std::vector<Value> inputs;  ///< those that are not initializers
  std::vector<Value> outputs;
};

struct Model {
  std::int64_t ir_version = 8;
  std::int64_t opset = 17;                            ///< of ONNX's own domain
  std::map<std::string, std::int64_t> other_domains;  ///< domain, version
  std::string producer_name, producer_version, doc_string;
  std::vector<std::pair<std::string, std::string>> metadata;
  Graph graph;
};

}  // namespace bitsmith::trainer::onnx
