#pragma once

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <string_view>

#include "trainer/onnx/external_data.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// The type of that number, or nothing for those that Tensor does not have (strings among them).
std::optional<ElementType> tensor_type(int number);

/// Reads one tensor; `name` is for messages. Throws UserError for a type that Tensor does not have, and for
/// bytes or values that are not as many as type and dims say, checked before anything is allocated.
Tensor read_tensor(const ::onnx::TensorProto& proto, std::string_view name, ExternalData& external);

}  // namespace bitsmith::trainer::onnx
