"""An ONNX model with QuantizeLinear and DequantizeLinear around every operator, 8 bits throughout, of the network in a
.bsm file: the same shapes, made-up weights. For ONNX Runtime, which fuses the pairs into integer operators.

    qdq_model.py MODEL.bsm BATCH OUT.onnx
"""
import json
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ACTIVATION_SCALE, WEIGHT_SCALE = 0.05, 0.01


def description(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack_from("<Q", data, 24)
    return json.loads(data[64 : 64 + size])


class Builder:
    def __init__(self):
        self.nodes, self.constants, self.rng = [], [], np.random.default_rng(1)

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def quantized(self, value, name, positive=False):
        """`value` through 8 bits; what cannot be negative with zero point 0, so that its ReLU costs nothing."""
        scale = self.constant(name + "_s", np.array(ACTIVATION_SCALE, np.float32))
        zero = self.constant(name + "_z", np.array(0 if positive else 128, np.uint8))
        return self.add("DequantizeLinear", [self.add("QuantizeLinear", [value, scale, zero], name + "_q"), scale, zero], name + "_d")

    def weights(self, name, shape):
        """Per-channel 8-bit weights, and a 32-bit bias in their scale."""
        outputs = shape[0]
        scale = self.constant(name + "_ws", np.full(outputs, WEIGHT_SCALE, np.float32))
        zero = self.constant(name + "_wz", np.zeros(outputs, np.int8))
        values = self.constant(name + "_w", self.rng.integers(-127, 128, shape).astype(np.int8))
        bias_scale = self.constant(name + "_bs", np.full(outputs, WEIGHT_SCALE * ACTIVATION_SCALE, np.float32))
        bias_zero = self.constant(name + "_bz", np.zeros(outputs, np.int32))
        bias = self.constant(name + "_b", self.rng.integers(-99, 99, outputs).astype(np.int32))
        return [self.add("DequantizeLinear", [values, scale, zero], name + "_wd", axis=0),
                self.add("DequantizeLinear", [bias, bias_scale, bias_zero], name + "_bd", axis=0)]


def read_by_relu(nodes):
    """Values (0: the input) that only a ReLU reads, after a batch norm perhaps: quantized behind it, not before."""
    readers = {}
    for index, node in enumerate(nodes, 1):
        for value in node["inputs"]:
            readers.setdefault(value, []).append(index)

    def is_read_by_relu(value):
        if len(readers.get(value, [])) != 1:
            return False
        reader = readers[value][0]
        op = nodes[reader - 1]["op"]
        return op in ("relu", "relu6") or (op == "batch_norm" and is_read_by_relu(reader))

    return [is_read_by_relu(value) for value in range(len(nodes) + 1)]


def build(network, batch):
    open_end = read_by_relu(network["nodes"])
    builder, values, channels = Builder(), [], []
    shape = network["input"]
    values.append(builder.quantized("x", "input"))
    channels.append(shape[0])
    for index, node in enumerate(network["nodes"], 1):
        name, op = node["name"], node["op"]
        inputs = [values[i] for i in node["inputs"]]
        width = channels[node["inputs"][0]]
        if op == "batch_norm":  # goes into the convolution before it
            values.append(inputs[0])
        elif op == "flatten":
            values.append(builder.add("Flatten", inputs, name))
        elif op == "conv":
            kh, kw, sh, sw, dh, dw, top, left, bottom, right = node["window"]
            parameters = builder.weights(name, (node["outputs"], width // node["groups"], kh, kw))
            value = builder.add("Conv", inputs + parameters, name, kernel_shape=[kh, kw], strides=[sh, sw],
                                dilations=[dh, dw], pads=[top, left, bottom, right], group=node["groups"])
            values.append(value if open_end[index] else builder.quantized(value, name))
            width = node["outputs"]
        elif op == "linear":
            parameters = builder.weights(name, (node["outputs"], width))
            values.append(builder.add("Gemm", inputs + parameters, name, transB=1))
            width = node["outputs"]
        elif op in ("relu", "relu6"):
            values.append(builder.quantized(builder.add("Relu", inputs, name), name, positive=True))
        elif op == "add":
            value = builder.add("Add", inputs, name)
            values.append(value if open_end[index] else builder.quantized(value, name))
        elif op == "global_average_pool":
            values.append(builder.quantized(builder.add("GlobalAveragePool", inputs, name), name))
        else:
            sys.exit(f"qdq_model.py: no translation of '{op}'")
        channels.append(width)
    builder.nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        builder.nodes, network["name"],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch] + shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, channels[-1]])], builder.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: qdq_model.py MODEL.bsm BATCH OUT.onnx")
    onnx.save(build(description(sys.argv[1])["network"], int(sys.argv[2])), sys.argv[3])
