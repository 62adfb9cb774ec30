#!/usr/bin/env python3
"""Example of an evaluator of your own, for `evaluator: {command: [python3, experiments/examples/evaluator.py]}`.

bitsmith runs this program once per policy. It writes one JSON object to standard input:

    {"version": 1, "network": "resnet20",
     "layers": [{"name": "conv1", "weight_bits": 8, "activation_bits": 8}, ...]}

and expects one JSON object on standard output:

    {"accuracy": 0.913}                             a share between 0 and 1, not percent
    {"accuracy": 0.913, "cross_entropy": 0.252}     with this, search.reward may be cross_entropy

32 bits means "not quantized". Weights in a number format that is no integer have its effective bits, e.g. 4.25, and
`weight_format` names it ("mxfp4"). Logs belong on standard error: standard output holds the answer and nothing else.
Any failure is an exit code other than 0; the end of standard error is shown to the user. Several of these processes
run at once. The same policy must always get the same answer, for bitsmith remembers it.

A real evaluator would load a network here (PyTorch, TensorFlow, a phone on the network ...), quantize it as the policy
says, fine-tune it for a moment and measure it on validation images. This one needs nothing but Python: it pretends that
every bit taken away from a layer adds noise (a quarter of it per bit, as rounding errors do), and that some layers
mind more than others.
"""

import json
import math
import sys

FP32_BITS = 32
FP32_CROSS_ENTROPY = 0.25  # of the network that is pretended to be quantized


def read_policy(stream):
    """The policy as (layer name, weight bits, activation bits), checked."""
    question = json.load(stream)
    if question.get("version") != 1:
        raise ValueError(f"this program understands version 1 of the question, got {question.get('version')!r}")
    return [(layer["name"], layer["weight_bits"], layer["activation_bits"]) for layer in question["layers"]]


def sensitivity(name):
    """How much a layer minds: a made-up number in 0.1 .. 2 that depends on its name only."""
    return 0.1 + (sum(name.encode()) % 20) / 10.0


def noise(bits):
    return 0.0 if bits == FP32_BITS else 4.0**-bits


def evaluate(policy):
    cross_entropy = FP32_CROSS_ENTROPY
    for name, weight_bits, activation_bits in policy:
        cross_entropy += sensitivity(name) * (noise(weight_bits) + 0.5 * noise(activation_bits))
    return {"accuracy": 0.1 + 0.9 * math.exp(-cross_entropy), "cross_entropy": cross_entropy}


def main():
    try:
        policy = read_policy(sys.stdin)
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"cannot read the question: {error}")
    print(f"evaluating {len(policy)} layers", file=sys.stderr)
    json.dump(evaluate(policy), sys.stdout)


if __name__ == "__main__":
    main()
