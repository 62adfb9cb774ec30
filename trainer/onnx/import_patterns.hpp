#pragma once

#include <deque>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::onnx {

/// Finds operators that exporters write out in smaller ones, where they are older than these, and puts one
/// node in the place of each: a LayerNormalization, whose attribute `axes` names the one dimension that it is
/// over, and the exact Gelu. What other nodes read is left as it is.
///
/// `nodes` are those of the graph that count, in order; `made` holds the new ones.
void recognise_patterns(const Graph& graph, std::vector<const Node*>& nodes, std::deque<Node>& made);

}  // namespace bitsmith::trainer::onnx
