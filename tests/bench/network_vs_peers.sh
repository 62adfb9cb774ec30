#!/usr/bin/env bash
# A network in uniform 8 bit on our integer network and in ONNX Runtime (QDQ, which it fuses into integer operators), one
# thread, in turns, because on a shared machine only figures taken together compare.
#
#   tests/bench/network_vs_peers.sh [NETWORK [BATCHES [ROUNDS]]]     resnet20, "1 32", 5 rounds
#
# Needs a built bitsmith (BITSMITH_BUILD_DIR, build/), node, npm, jq and python3-onnx; ONNX Runtime is installed by npm
# into a cache folder (BITSMITH_ORT_DIR). Prints for each batch the medians over rounds: ours, the sum of ONNX
# Runtime's operators by its own profiler, its whole call as JavaScript sees it, and the ratio of operators to ours.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bitsmith=${BITSMITH_BUILD_DIR:-$here/../../build}/bin/bitsmith
network=${1:-resnet20} batches=${2:-1 32} rounds=${3:-5}
source "$here/ort_setup.sh"

[[ -x $bitsmith ]] || { echo "network_vs_peers: no $bitsmith; build first" >&2; exit 2; }
require_ort network_vs_peers jq

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.yaml" <<YAML
output: $work/run.h5
network: {name: $network}
data: {format: fashion_mnist, train_images: 1000, validation_images: 200, test_images: 200}
train: {epochs: 1, batch: 32}
evaluator: {finetune_steps: 1, batch: 32, validation_images: 100, recalibration_images: 64}
constraint: {size: 0.9x}
search: {episodes: 2, warmup_episodes: 1, round: 1, finalists: 1}
finetune: {epochs: 0.1, batch: 64}
YAML
"$bitsmith" run "$work/run.yaml" --quiet >/dev/null

last=$(($(nproc) - 1))
ours() {
  taskset -c "$last" "$bitsmith" verify "$work/run.h5" --random 0 --batch "$1" --quiet --json |
    jq '.policies[] | select(.label == "uniform8") | .measured_ms'
}
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for batch in $batches; do
  /usr/bin/python3 "$here/qdq_model.py" "$work/run.bsm" "$batch" "$work/qdq.onnx"
  for ((round = 0; round < rounds; ++round)); do
    ours "$batch" >>"$work/ours.$batch"
    SHAPE="[$batch,1,28,28]" NODE_PATH=$ort/node_modules taskset -c "$last" node "$here/ort_network.js" "$work/qdq.onnx" \
      >"$work/ort.json"
    jq .operators_ms "$work/ort.json" >>"$work/operators.$batch"
    jq .call_ms "$work/ort.json" >>"$work/call.$batch"
  done
  jq -nc --arg network "$network" --argjson batch "$batch" --argjson rounds "$rounds" \
    --argjson ours_ms "$(median <"$work/ours.$batch")" --argjson ort_operators_ms "$(median <"$work/operators.$batch")" \
    --argjson ort_call_ms "$(median <"$work/call.$batch")" \
    '{$network, $batch, $rounds, $ours_ms, $ort_operators_ms, $ort_call_ms, ratio: ($ort_operators_ms / $ours_ms)}'
done
