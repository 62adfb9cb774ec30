#pragma once

#include <string>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// What is wrong with the names of a graph, a sentence each: tensors given twice, nodes that read what nobody
/// gives, outputs that nobody gives, circles (with the nodes that make one up).
///
/// Puts the nodes into an order in which each comes after what it reads, where there is one: the one that is
/// nearest to the order they have (nodes that could be next come in their old order).
std::vector<std::string> order_nodes(Graph& graph);

}  // namespace bitsmith::trainer::onnx
