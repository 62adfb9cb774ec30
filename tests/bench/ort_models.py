"""ONNX models of one layer each, with made-up weights, for ort_layers.js.

`models(layer, folder)` writes them and lists (variant, cache, file, input type, input shape, copies). Convolutions:
QLinearConv, u8 x s8 -> u8, a scale for each output channel. Linear layers: DynamicQuantizeMatMul (8-bit weights) and
MatMulNBits (4- and 2-bit weights in blocks of 32, integer arithmetic); once with one copy of the weights, which stay in
the cache, and where a layer has LEAST_COLD weights or more, once with as many as never fit there.
"""
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

COLD_BYTES = 128e6
LEAST_COLD = 1 << 19  # weights: fewer would need thousands of copies, and stay in some cache anyway
BLOCK = 32
OPSETS = [helper.make_opsetid("", 15), helper.make_opsetid("com.microsoft", 1)]


def write(path, nodes, constants, kind, shape, outputs, out_kind, out_shape):
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, out_kind, out_shape) for name in outputs],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()])
    save(helper.make_model(graph, opset_imports=OPSETS, ir_version=8), path)
    return path


def convolution(layer, folder):
    rng = np.random.default_rng(1)
    pad = layer.kernel // 2
    side = (layer.side + 2 * pad - layer.kernel) // layer.stride + 1
    constants = {
        "xs": np.float32(0.02), "xz": np.uint8(0), "ys": np.float32(0.1), "yz": np.uint8(0),
        "w": rng.integers(-127, 128, (layer.outputs, layer.inputs // layer.groups, layer.kernel, layer.kernel)).astype(np.int8),
        "ws": rng.uniform(0.001, 0.01, layer.outputs).astype(np.float32), "wz": np.zeros(layer.outputs, np.int8),
        "b": rng.integers(-1000, 1000, layer.outputs).astype(np.int32)}
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"],
                            kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2, pads=[pad] * 4, group=layer.groups)
    shape = [1, layer.inputs, layer.side, layer.side]
    path = write(os.path.join(folder, layer.name + ".onnx"), [node], constants, TensorProto.UINT8, shape, ["y"],
                 TensorProto.UINT8, [1, layer.outputs, side, side])
    return [("ort_int8", "warm", path, "uint8", shape, 1)]


def caches(layer):
    """In which states of the weights a layer is timed."""
    return ("warm", "cold") if layer.kind == "fc" and layer.inputs * layer.outputs >= LEAST_COLD else ("warm",)


def linear(layer, folder):
    rng = np.random.default_rng(1)
    found = []
    for variant, bits in (("ort_int8", 8), ("ort_nbits4", 4), ("ort_nbits2", 2)):
        weights = layer.inputs * layer.outputs * bits / 8
        for cache in caches(layer):
            copies = 1 if cache == "warm" else max(1, int(np.ceil(COLD_BYTES / weights)))
            nodes, constants, outputs = [], {}, []
            for i in range(copies):
                outputs.append(f"y{i}")
                if bits == 8:
                    constants[f"w{i}"] = rng.integers(-127, 128, (layer.inputs, layer.outputs)).astype(np.int8)
                    constants[f"s{i}"] = np.full(layer.outputs, 0.01, np.float32)
                    constants[f"z{i}"] = np.zeros(layer.outputs, np.int8)
                    nodes.append(helper.make_node("DynamicQuantizeMatMul", ["x", f"w{i}", f"s{i}", f"z{i}"], [f"y{i}"],
                                                  domain="com.microsoft"))
                else:
                    blocks = -(-layer.inputs // BLOCK)
                    constants[f"w{i}"] = rng.integers(0, 256, (layer.outputs, blocks, BLOCK * bits // 8), dtype=np.uint8)
                    constants[f"s{i}"] = np.full(layer.outputs * blocks, 0.01, np.float32)
                    nodes.append(helper.make_node("MatMulNBits", ["x", f"w{i}", f"s{i}"], [f"y{i}"], domain="com.microsoft",
                                                  K=layer.inputs, N=layer.outputs, bits=bits, block_size=BLOCK,
                                                  accuracy_level=4))
            path = write(os.path.join(folder, f"{layer.name}.{variant}.{cache}.onnx"), nodes, constants, TensorProto.FLOAT,
                         [1, layer.inputs], outputs, TensorProto.FLOAT, [1, layer.outputs])
            found.append((variant, cache, path, "float32", [1, layer.inputs], copies))
    return found


def models(layer, folder):
    return linear(layer, folder) if layer.kind == "fc" else convolution(layer, folder)
