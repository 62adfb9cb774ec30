"""Our kernels beside oneDNN and ONNX Runtime, layer by layer, in turns; called by kernels_vs_peers.sh.

    kernels_vs_peers.py PROGRAM ORT_LAYERS.js LAYERS.tsv ROUNDS

A round asks PROGRAM (our kernels and oneDNN) and then ONNX Runtime for the same layer; a figure is the median over
rounds. Ratios are a peer's time over ours: above 1 we are faster.
"""
import collections
import dataclasses
import math
import statistics
import subprocess
import sys
import tempfile

import ort_models

Kernel = collections.namedtuple("Kernel", "name weight activation")
PEER = Kernel("peer_onednn_int8", 8, 8)


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    kind: str
    inputs: int
    outputs: int
    side: int
    kernel: int
    stride: int
    groups: int

    @property
    def depthwise(self):
        return self.kind == "conv" and self.groups == self.inputs == self.outputs > 1


def read_layers(path):
    with open(path) as file:
        lines = [line.split("#")[0].split() for line in file]
    return [Layer(*line[:2], *map(int, line[2:])) for line in lines if line]


class Program:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(self.process.wait() or 2)
        return line.strip()


def measure(layer, cache, variants, ours, ort, rounds):
    """{kernel: [us]} of ours and oneDNN, {variant: [us]} of ONNX Runtime."""
    kernels, peers = collections.defaultdict(list), collections.defaultdict(list)
    for turn in range(rounds):
        line = ours.ask(f"{layer.name} {turn} {cache}")
        while line:
            name, weight, activation, us = line.split()
            kernels[Kernel(name, int(weight), int(activation))].append(float(us))
            line = ours.line()
        for variant, _, path, kind, shape, copies in variants:
            peers[variant].append(float(ort.ask(f"{path} {kind} {'x'.join(map(str, shape))} {copies}")))
    return kernels, peers


def median_of_all(samples):
    return {key: statistics.median(values) for key, values in samples.items()}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


class Goals:
    """Ratios by goal, for the summary."""

    def __init__(self):
        self.ratios = collections.defaultdict(list)

    def add(self, goal, layer, ratio):
        self.ratios[goal].append((ratio, layer.name))

    def show(self):
        print(f"\n{'geometric mean':>15} {'least':>6}  of")
        for goal, found in self.ratios.items():
            least, name = min(found)
            print(f"{geometric_mean([ratio for ratio, _ in found]):15.2f} {least:6.2f}  {goal} (least: {name})")


def best(kernels, weight, activation):
    """The fastest of ours at these bits: what a plan would run."""
    found = [us for kernel, us in kernels.items() if kernel[1:] == (weight, activation) and kernel != PEER]
    return min(found) if found else None


def add_goals(goals, layer, cache, kernels, peers):
    onednn, int8 = kernels[PEER], best(kernels, 8, 8)
    if cache == "warm" and layer.depthwise:
        goals.add("depthwise int8 / oneDNN int8", layer, onednn / int8)
    elif cache == "warm":
        goals.add("dense int8 / the better of oneDNN and ONNX Runtime", layer, min(onednn, peers["ort_int8"]) / int8)
        if layer.kind == "conv" and layer.kernel == 1 and layer.inputs == 32:
            goals.add("1x1 with 32 inputs, int8 / oneDNN int8", layer, onednn / int8)
        if layer.kind == "conv" and layer.inputs <= 3:
            goals.add("first convolution, int8 / oneDNN int8", layer, onednn / int8)
        for weight, activation in (1, 1), (2, 1), (1, 2), (2, 2):
            bits = best(kernels, weight, activation)
            if bits is not None and layer.inputs >= 128:
                goals.add(f"bit-serial w{weight}a{activation} / oneDNN int8, 3x3, 128 inputs and more", layer, onednn / bits)
    if layer.kind == "fc" and layer.inputs * layer.outputs >= 1 << 24:
        where = "from memory" if cache == "cold" else "in the cache"
        int4, int2 = best(kernels, 4, 8), best(kernels, 2, 8)
        goals.add(f"linear int4 / our int8, weights {where}", layer, int8 / int4)
        goals.add(f"linear int4 / ONNX Runtime's 4-bit MatMulNBits, weights {where}", layer, peers["ort_nbits4"] / int4)
        goals.add(f"linear int2 / our int4, weights {where}", layer, int4 / int2)


def show(layer, cache, kernels, peers):
    onednn = kernels[PEER]
    for kernel, us in kernels.items():
        if kernel == PEER:
            continue
        same = peers.get({8: "ort_int8", 4: "ort_nbits4", 2: "ort_nbits2"}.get(kernel.weight), None)
        ort = f"{same / us:9.2f}" if same is not None and (layer.kind == "fc" or kernel.weight == 8) else f"{'-':>9}"
        bits = f"w{kernel.weight}a{kernel.activation}" if kernel.activation < 32 else f"w{kernel.weight}a fp32"
        print(f"{layer.name:10} {cache:5} {kernel.name:26} {bits:8} {us:9.2f} {onednn / us:10.2f} {ort}")
    for name, us in [("oneDNN int8", onednn), *peers.items()]:
        print(f"{layer.name:10} {cache:5} {name:26} {'':8} {us:9.2f}")
    sys.stdout.flush()


def main(program, script, layers_path, rounds):
    ours = Program([program, layers_path])
    ort = Program(["node", script])
    goals = Goals()
    print(f"{'layer':10} {'cache':5} {'kernel':26} {'bits':8} {'us':>9} {'vs oneDNN':>10} {'vs ORT':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for layer in read_layers(layers_path):
            variants = ort_models.models(layer, folder)
            for cache in ort_models.caches(layer):
                samples = measure(layer, cache, [v for v in variants if v[1] == cache], ours, ort, rounds)
                kernels, peers = map(median_of_all, samples)
                show(layer, cache, kernels, peers)
                add_goals(goals, layer, cache, kernels, peers)
    goals.show()


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
