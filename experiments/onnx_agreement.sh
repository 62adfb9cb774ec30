#!/usr/bin/env bash
# Does a network that is exported compute in ONNX Runtime what it computes here? Quantizes a resnet20 for Fashion-MNIST after
# training (configs/ptq_resnet20.yaml; it is trained first, once), writes it as ONNX and compares the classes of the 10,000
# test images: uniform int8, 4-bit weights with 8-bit activations, 4 bits of both, and a mixed policy of 3 to 8 bits. Fails below 99.5 %.
#   experiments/onnx_agreement.sh [FOLDER [CHECKPOINT]]   results in build/onnx_agreement; CHECKPOINT instead of training
#   BITSMITH=build/bin/bitsmith                           the program
# Needs node and ONNX Runtime (tests/onnxruntime/setup.sh), python3-numpy and python3-onnx. A few minutes, training aside.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${BITSMITH:-$here/build/bin/bitsmith}
folder=${1:-build/onnx_agreement} checkpoint=${2:-}
config=$here/configs/ptq_resnet20.yaml
modules=${BITSMITH_ORT_DIR:-$here/build/onnxruntime}/node_modules
"$here/tests/onnxruntime/setup.sh"
[[ -d $modules/onnxruntime-node ]] || { echo "onnx_agreement.sh: there is no ONNX Runtime in $modules" >&2; exit 2; }
mkdir -p "$folder"
settings=()
[[ -z $checkpoint ]] || settings=(--set "network.checkpoint=$checkpoint" --set data.pad=2)

# mixed_policy FILE: a policy of many widths, first and last layer at 8 bits, for the layers of a policy.
mixed_policy() {
  awk -v weights="5 6 4 3 8 5 4 7" '
    BEGIN { n = split(weights, bits, " ") }
    /- \{name:/ && !/name: (conv1|fc),/ {
      sub(/weight_bits: [0-9]+/, "weight_bits: " bits[i % n + 1])
      sub(/activation_bits: [0-9]+/, "activation_bits: " bits[n - i % n])
      ++i
    }
    { print }' "$1"
}

# images MODEL.onnx: the test images as the model wants them, from what it says of its input.
images() {
  /usr/bin/python3 - "$1" "$folder/images.npy" <<'PYTHON'
import gzip, sys
import numpy as np, onnx

says = {entry.key: entry.value for entry in onnx.load(sys.argv[1]).metadata_props}
with gzip.open("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz") as file:
    pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
pad = int(says["bitsmith.input.pad"])
pixels = np.pad(pixels, ((0, 0), (0, 0), (pad, pad), (pad, pad))) / 255.0
mean, deviation = float(says["bitsmith.input.mean"]), float(says["bitsmith.input.deviation"])
np.save(sys.argv[2], ((pixels - mean) / deviation).astype(np.float32))
PYTHON
}

# compare NAME [SETTING...]: quantize, run here, export, run there, count.
failed=0
compare() {
  local name=$1
  shift
  "$program" ptq "$config" --quiet --json --output "$folder/$name.h5" "${settings[@]}" \
    --set ptq.rounding=nearest --set ptq.bias_correction=none "$@" >"$folder/$name.json"
  "$program" infer "$folder/$name.ptq.bsm" fashion_mnist --batch 100 --logits "$folder/$name.here.npy" >/dev/null
  "$program" export "$folder/$name.ptq.bsm" --output "$folder/$name.onnx" --quiet >/dev/null 2>"$folder/$name.emulated"
  images "$folder/$name.onnx"
  NODE_PATH=$modules node "$here/tests/onnxruntime/run.js" "$folder/$name.onnx" "$folder/images.npy" "$folder/$name.there.npy"
  /usr/bin/python3 - "$name" "$folder" <<'PYTHON' || failed=1
import gzip, sys
import numpy as np

name, folder = sys.argv[1:]
here, there = (np.load(f"{folder}/{name}.{where}.npy").reshape(10000, -1) for where in ("here", "there"))
with gzip.open("/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz") as file:
    labels = np.frombuffer(file.read(), np.uint8, offset=8)
same = np.mean(here.argmax(1) == there.argmax(1))
print(f"{name}: same class for {100 * same:.2f} % of {len(labels)} images; accuracy {100 * np.mean(here.argmax(1) == labels):.2f} % "
      f"here, {100 * np.mean(there.argmax(1) == labels):.2f} % in ONNX Runtime; logits differ by "
      f"{100 * np.sqrt(np.mean((here - there) ** 2) / np.mean(here ** 2)):.3f} %", flush=True)
sys.exit(int(same < 0.995))
PYTHON
}

compare uniform8 --set ptq.weights=8 --set ptq.activations=8
for later in w4a8 w4a4 mixed; do  # the network that uniform8 has trained
  [[ -z $checkpoint ]] && settings=(--set "network.checkpoint=$folder/uniform8.work/trained.h5")
  case $later in
    w4a8) compare w4a8 --set ptq.weights=4 --set ptq.activations=8 ;;
    w4a4) compare w4a4 --set ptq.weights=4 --set ptq.activations=4 ;;
    mixed) mixed_policy "$folder/w4a8.ptq.policy.yaml" >"$folder/mixed.yaml"; compare mixed --set ptq.policy="$folder/mixed.yaml" ;;
  esac
done
exit $failed
