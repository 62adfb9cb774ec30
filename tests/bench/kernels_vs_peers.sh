#!/usr/bin/env bash
# Every kernel of ours beside oneDNN's and ONNX Runtime's, one thread, batch 1, both sides in turns: a row for each layer
# and kernel with the ratios, geometric means last.
#
#   tests/bench/kernels_vs_peers.sh [LAYERS.tsv [ROUNDS]]     tests/bench/layers.tsv, 3 rounds
#
# Builds what it needs in build-bench/. Needs node, npm and python3-onnx; ONNX Runtime is installed by npm into a cache
# folder (BITSMITH_ORT_DIR).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
source "$here/ort_setup.sh"
layers=${1:-$here/layers.tsv} rounds=${2:-3}
if [[ ! -r $layers ]]; then
  echo "kernels_vs_peers: cannot read '$layers'" >&2
  exit 2
fi
if [[ ! $rounds =~ ^[1-9][0-9]?$ ]]; then
  echo "kernels_vs_peers: rounds: got '$rounds', allowed are 1 to 99" >&2
  exit 2
fi
require_ort kernels_vs_peers

if ! log=$(cd "$root" && cmake --preset bench 2>&1 && cmake --build build-bench --target kernels_vs_peers 2>&1); then
  echo "$log" >&2
  exit 1
fi
program=$root/build-bench/bin/kernels_vs_peers
"$program" "$layers" </dev/null  # what is wrong with the list, if anything

last=$(($(nproc) - 1))
NODE_PATH=$ort/node_modules taskset -c "$last" /usr/bin/python3 "$here/kernels_vs_peers.py" "$program" \
  "$here/ort_layers.js" "$layers" "$rounds"
