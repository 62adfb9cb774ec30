"""An ONNX model of convolutions in 8 bits, as ONNX Runtime's own tools quantize it: QuantizeLinear and DequantizeLinear
around every operator, one scale per output channel, biases in 32 bits, and no Relu or Clip where the quantizer behind it
clamps as much. For timing alone: scales of activations are made up.

    qdq_of_onnx.py MODEL.onnx OUT.onnx
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

ACTIVATION_SCALE, CLIPPED = 0.05, 6
QUANTIZED = {"Conv", "Gemm", "Relu", "Clip", "Add", "Mul", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Flatten"}


def main(source, target):
    model = onnx.load(source)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes, added = [], []

    def constant(name, value):
        added.append(numpy_helper.from_array(value, name))
        return name

    def dequantized(name, value, scale, dtype):
        """A parameter of a layer, as integers behind a DequantizeLinear."""
        largest = np.iinfo(dtype).max
        levels = np.clip(np.rint(value / scale.reshape(-1, *[1] * (value.ndim - 1))), -largest, largest).astype(dtype)
        nodes.append(helper.make_node("DequantizeLinear", [
            constant(name + "_q", levels), constant(name + "_s", scale.astype(np.float32)),
            constant(name + "_z", np.zeros(len(scale), dtype))], [name + "_d"], axis=0))
        return name + "_d"

    def pair(name, positive, size=ACTIVATION_SCALE):
        scale = constant(name + "_s", np.array(size, np.float32))
        zero = constant(name + "_z", np.array(0 if positive else 128, np.uint8))
        nodes.append(helper.make_node("QuantizeLinear", [name, scale, zero], [name + "_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [name + "_q", scale, zero], [name + "_d"]))
        sizes[name + "_d"] = size
        return name + "_d"

    sizes = {}  # scales of what was dequantized
    now = {}  # what stands for a tensor, behind its quantizers
    now[graph.input[0].name] = pair(graph.input[0].name, False)
    positive = set()
    for node in graph.node:
        kept = list(node.input)
        node.input[:] = [now.get(name, name) for name in kept]
        if node.op_type in ("Conv", "Gemm"):
            if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
                sys.exit(f"{node.name}: a Gemm without transB")
            weight = constants[kept[1]]
            scale = np.maximum(np.abs(weight.reshape(len(weight), -1)).max(1), 1e-6) / 127
            node.input[1] = dequantized(kept[1], weight, scale, np.int8)
            if len(kept) > 2:
                node.input[2] = dequantized(kept[2], constants[kept[2]], scale * sizes[node.input[0]], np.int32)
        name = node.output[0]
        if node.op_type in ("Relu", "Clip") and kept[0] not in now:  # its quantizer clamps as much
            positive.add(name)
            now[name] = pair(kept[0], True, CLIPPED / 255 if node.op_type == "Clip" else ACTIVATION_SCALE)
            continue
        nodes.append(node)
        if node.op_type in ("Relu", "Clip") or (node.op_type in ("MaxPool", "GlobalAveragePool", "Flatten")
                                                and kept[0] in positive):
            positive.add(name)
        after = readers.get(name, [])
        fused = len(after) == 1 and after[0].op_type in ("Relu", "Clip")
        if node.op_type in QUANTIZED and after and not fused:
            now[name] = pair(name, name in positive)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(added)
    used = {name for node in graph.node for name in node.input}
    left = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)
    onnx.checker.check_model(model)
    onnx.save(model, target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
