#!/usr/bin/env python3
"""An example of your own hardware for bitsmith:

    hardware:
      command: [python3, experiments/examples/device.py]

bitsmith starts this program once per policy, several at once. One JSON object comes on standard input:

    {"version": 1, "network": "resnet20", "layers": [
      {"name": "conv1", "kind": "conv", "weight_bits": 4, "activation_bits": 8, "macs": 442368, "weights": 432,
       "input": [3, 32, 32], "output": [16, 32, 32], "kernel": [3, 3], "stride": [1, 1], "groups": 1}, ...]}

`kind` is conv, depthwise or linear; bits are 1 to 8, or 32 for fp32; weights in another number format have its
effective bits, e.g. 4.25, and `weight_format` names it ("mxfp4"); shapes are channels, height, width. One JSON
object goes to standard output: `latency_ms` and any further names (here `traffic_kib`), all with finite numbers that
are not negative. The names must be the same for every policy; each can be constrained or reported by name. Messages
belong on standard error; a non-zero exit code is a failure, and is retried.

What is computed here is a roofline: a device whose multipliers work on 8-bit operands, two at a time on 4-bit ones
(32-bit ones take 4 cycles), with a memory of 4 GB/s. A real answer could come from a phone, a GPU or a simulator.
"""

import json
import sys

MACS_PER_SECOND = {4: 128e9, 8: 64e9, 32: 16e9}  # by the wider operand of the two, rounded up to a format that exists
BYTES_PER_SECOND = 4e9
SECONDS_PER_LAYER = 5e-6  # to start a layer's work


def elements(shape):
    channels, height, width = shape
    return channels * height * width


def price(layer):
    """One layer's (seconds, bytes moved)."""
    wider = max(layer["weight_bits"], layer["activation_bits"])
    rate = MACS_PER_SECOND[min(bits for bits in MACS_PER_SECOND if bits >= wider)]
    moved_bits = layer["weights"] * layer["weight_bits"] + elements(layer["input"]) * layer["activation_bits"]
    moved_bytes = moved_bits / 8
    return max(layer["macs"] / rate, moved_bytes / BYTES_PER_SECOND) + SECONDS_PER_LAYER, moved_bytes


def main():
    question = json.load(sys.stdin)
    if question["version"] != 1:
        sys.exit(f"device.py understands version 1, not {question['version']}")
    prices = [price(layer) for layer in question["layers"]]
    seconds = sum(layer_seconds for layer_seconds, _ in prices)
    moved_bytes = sum(layer_bytes for _, layer_bytes in prices)
    json.dump({"latency_ms": seconds * 1e3, "traffic_kib": moved_bytes / 1024}, sys.stdout)


if __name__ == "__main__":
    main()
