#pragma once

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "trainer/onnx/external_data.hpp"
#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// Reads a graph, in the file's order of nodes. What is wrong is told in `mistakes`, a sentence each, and
/// left out.
Graph read_graph(const ::onnx::GraphProto& proto, ExternalData& external, std::vector<std::string>& mistakes);

}  // namespace bitsmith::trainer::onnx
