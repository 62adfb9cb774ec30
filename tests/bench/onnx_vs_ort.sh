#!/usr/bin/env bash
# Networks of torchvision at 224x224, batch 1, one thread, on `bitsmith infer MODEL.onnx --bench` and in ONNX Runtime, in
# turns, because on a shared machine only figures taken together compare: in fp32, and in 8 bits (ours under uniform:8; for
# ONNX Runtime quantized as its own tools do, qdq_of_onnx.py).
#
#   tests/bench/onnx_vs_ort.sh [NETWORKS [ROUNDS]]     "resnet18 mobilenet_v2", 5 rounds
#
# Needs a built bitsmith (BITSMITH_BUILD_DIR, build/), node, npm, jq, python3-onnx and python3-torchvision; ONNX Runtime is
# installed by npm into a cache folder (BITSMITH_ORT_DIR). Prints for each network and arithmetic the medians over rounds:
# ours, the sum of ONNX Runtime's operators by its own profiler, its whole call as JavaScript sees it, and the ratio of
# operators to ours.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bitsmith=${BITSMITH_BUILD_DIR:-$here/../../build}/bin/bitsmith
networks=${1:-resnet18 mobilenet_v2} rounds=${2:-5} runs=30
source "$here/ort_setup.sh"

[[ -x $bitsmith ]] || { echo "onnx_vs_ort: no $bitsmith; build first" >&2; exit 2; }
require_ort onnx_vs_ort jq

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086  # a list
/usr/bin/python3 "$here/../onnx_models/torchvision_models.py" "$work" $networks

last=$(($(nproc) - 1))
ours() { taskset -c "$last" "$bitsmith" infer "$1" --policy "$2" --bench --batch 1 --runs $runs --json | jq .latency_ms.median; }
ort() { SHAPE='[1,3,224,224]' NODE_PATH=$ort/node_modules taskset -c "$last" node "$here/ort_network.js" "$1" $runs; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for network in $networks; do
  /usr/bin/python3 "$here/qdq_of_onnx.py" "$work/$network.onnx" "$work/$network.int8.onnx"
  for arithmetic in fp32 int8; do
    [[ $arithmetic == fp32 ]] && policy=fp32 peer=$work/$network.onnx || { policy=uniform:8 peer=$work/$network.int8.onnx; }
    rm -f "$work"/{ours,operators,call}
    for ((round = 0; round < rounds; ++round)); do
      ours "$work/$network.onnx" $policy >>"$work/ours"
      ort "$peer" >"$work/ort.json"
      jq .operators_ms "$work/ort.json" >>"$work/operators"
      jq .call_ms "$work/ort.json" >>"$work/call"
    done
    jq -nc --arg network "$network" --arg arithmetic $arithmetic --argjson rounds "$rounds" \
      --argjson ours_ms "$(median <"$work/ours")" --argjson ort_operators_ms "$(median <"$work/operators")" \
      --argjson ort_call_ms "$(median <"$work/call")" \
      '{$network, $arithmetic, $rounds, $ours_ms, $ort_operators_ms, $ort_call_ms, ratio: ($ort_operators_ms / $ours_ms)}'
  done
done
