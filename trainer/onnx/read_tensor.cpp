#include "trainer/onnx/read_tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <type_traits>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using ::onnx::TensorProto;

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw base::UserError(fmt::format("tensor {}: {}", shown(name), why));
}

std::string describe(const Tensor& tensor) {
  return fmt::format("{} of {}", show(tensor.dims), element_type_name(tensor.type));
}

std::uint64_t number_of(std::string_view name, const std::string& key, const std::string& value) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size())
    refuse(name, fmt::format("{} of its external data must be a number, not {}", key, shown(value)));
  return number;
}

ExternalPlace place_of(const TensorProto& proto, std::string_view name, std::size_t wanted) {
  ExternalPlace place;
  place.length = wanted;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") place.offset = number_of(name, "offset", entry.value());
    if (entry.key() == "length" && number_of(name, "length", entry.value()) != wanted)
      refuse(name,
             fmt::format("its external data is {} bytes, its dims ask for {}", shown(entry.value()), wanted));
  }
  return place;
}

// Values that ONNX keeps in wider fields: each must be one that the tensor's type has.
template <typename T, typename Field>
void copy_values(const Field& values, std::int64_t wanted, Tensor& tensor, std::string_view name) {
  if (values.size() != wanted)
    refuse(name, fmt::format("it has {} values, {} asks for {}", values.size(), describe(tensor), wanted));
  tensor.bytes.resize(static_cast<std::size_t>(wanted) * sizeof(T));
  std::size_t at = 0;
  for (const auto value : values) {
    if constexpr (std::is_integral_v<T>) {
      const bool is_fit =
          tensor.type == ElementType::boolean ? value == 0 || value == 1 : std::in_range<T>(value);
      if (!is_fit) refuse(name, fmt::format("{} is no {}", value, element_type_name(tensor.type)));
    }
    const T narrow = static_cast<T>(value);
    std::memcpy(tensor.bytes.data() + at, &narrow, sizeof(T));
    at += sizeof(T);
  }
}

void copy_typed(const TensorProto& proto, std::int64_t elements, Tensor& tensor, std::string_view name) {
  switch (tensor.type) {
    case ElementType::float32:
      return copy_values<float>(proto.float_data(), elements, tensor, name);
    case ElementType::float64:
      return copy_values<double>(proto.double_data(), elements, tensor, name);
    case ElementType::int64:
      return copy_values<std::int64_t>(proto.int64_data(), elements, tensor, name);
    case ElementType::uint32:
      return copy_values<std::uint32_t>(proto.uint64_data(), elements, tensor, name);
    case ElementType::uint64:
      return copy_values<std::uint64_t>(proto.uint64_data(), elements, tensor, name);
    case ElementType::int32:
      return copy_values<std::int32_t>(proto.int32_data(), elements, tensor, name);
    case ElementType::int16:
      return copy_values<std::int16_t>(proto.int32_data(), elements, tensor, name);
    case ElementType::int8:
      return copy_values<std::int8_t>(proto.int32_data(), elements, tensor, name);
    case ElementType::uint16:
    case ElementType::float16:
    case ElementType::bfloat16:
      return copy_values<std::uint16_t>(proto.int32_data(), elements, tensor, name);
    case ElementType::uint8:
    case ElementType::boolean:
      return copy_values<std::uint8_t>(proto.int32_data(), elements, tensor, name);
    case ElementType::uint4:
    case ElementType::int4:  // pairs
      return copy_values<std::uint8_t>(proto.int32_data(), (elements + 1) / 2, tensor, name);
    case ElementType::undefined:
    case ElementType::string:
      break;
  }
  throw base::InternalError("a tensor of a type that was refused before");
}

bool has_typed_values(const TensorProto& proto) {
  return proto.float_data_size() + proto.int32_data_size() + proto.int64_data_size() +
             proto.double_data_size() + proto.uint64_data_size() + proto.string_data_size() >
         0;
}

}  // namespace

std::optional<ElementType> tensor_type(int number) {
  const auto type = static_cast<ElementType>(number);
  if (element_bits(type) == 0) return std::nullopt;
  return type;
}

Tensor read_tensor(const TensorProto& proto, std::string_view name, ExternalData& external) {
  const auto type = tensor_type(proto.data_type());
  if (!type)
    refuse(name, fmt::format("elements of {} are not supported",
                             proto.data_type() == TensorProto::STRING
                                 ? std::string("strings")
                                 : fmt::format("ONNX type {}", proto.data_type())));
  if (proto.has_segment()) refuse(name, "tensors in segments are not supported");
  Tensor tensor{*type, Dims(proto.dims().begin(), proto.dims().end()), {}};
  const auto elements = count_elements(tensor.dims);
  if (!elements)
    refuse(name, fmt::format("dims {} are not those of a tensor: up to {} of them, none negative, at most {} "
                             "elements",
                             show(tensor.dims), kMostDims, kMostElements));
  const std::size_t wanted = bytes_of(*type, *elements);
  if (proto.data_location() == TensorProto::EXTERNAL) {
    if (proto.has_raw_data() || has_typed_values(proto)) refuse(name, "it has data both here and outside");
    const ExternalPlace place = place_of(proto, name, wanted);
    external.check(name, place);
    tensor.bytes.resize(wanted);
    external.read(place, tensor.bytes);
  } else if (proto.has_raw_data() && !has_typed_values(proto)) {
    const std::string& raw = proto.raw_data();
    if (raw.size() != wanted)
      refuse(name, fmt::format("it has {} bytes, {} asks for {}", raw.size(), describe(tensor), wanted));
    tensor.bytes.resize(wanted);
    if (wanted > 0) std::memcpy(tensor.bytes.data(), raw.data(), wanted);
  } else if (proto.has_raw_data() && !proto.raw_data().empty()) {
    refuse(name, "it has both raw data and values");
  } else {
    copy_typed(proto, *elements, tensor, name);
  }
  if (tensor.type == ElementType::boolean)
    for (std::byte& value : tensor.bytes) value = std::byte{value != std::byte{0}};
  return tensor;
}

}  // namespace bitsmith::trainer::onnx
