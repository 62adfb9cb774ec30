#!/usr/bin/env bash
# Does post-training quantization do here what the literature says? Trains resnet20 and mobilenet_v2_small on
# Fashion-MNIST (configs/ptq_*.yaml), quantizes them in all the ways below, for each seed, and prints the mean accuracies
# on the 5,000 validation images beside that of fp32. About 50 minutes on two cores; trainings are kept in the work
# folders, and so are results: what was measured before is not measured again.
#   experiments/ptq_study.sh [FOLDER [SEED...]]      results in build/ptq_study, seeds 1 2 3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-build/ptq_study}
seeds=("${@:2}")
((${#seeds[@]})) || seeds=(1 2 3)
bitsmith=${BITSMITH:-build/bin/bitsmith}
mkdir -p "$folder"

nearest=(--set ptq.rounding=nearest --set ptq.bias_correction=none)
tensor=(--set quantization.weight_granularity=tensor)
channel=(--set quantization.weight_granularity=channel)
plain=(--set ptq.equalize=false --set ptq.absorb_biases=false)
equalized=(--set ptq.equalize=true --set ptq.absorb_biases=true)

# measure NETWORK SEED NAME [ARGUMENT...]: one run, into FOLDER/NETWORK-SEED-NAME.json
measure() {
  local network=$1 seed=$2 name=$3 json="$folder/$1-$2-$3.json"
  [[ -s $json ]] && return
  echo "$network, seed $seed: $name" >&2
  "$bitsmith" ptq "configs/ptq_$network.yaml" --quiet --json --set seed="$seed" --output "$folder/$network-$seed.h5" \
    "${@:4}" >"$json.new"
  mv "$json.new" "$json"
}

for seed in "${seeds[@]}"; do
  for network in resnet20 mobilenet; do
    # 4 bits of weights, a scale for each channel: from the plainest to the most careful.
    w4=(--set ptq.weights=4 "${channel[@]}" "${plain[@]}")
    measure $network "$seed" w4-minmax "${w4[@]}" "${nearest[@]}" --set quantization.weight_calibration=minmax
    measure $network "$seed" w4-mse "${w4[@]}" "${nearest[@]}"
    measure $network "$seed" w4-octav "${w4[@]}" "${nearest[@]}" --set quantization.weight_calibration=octav
    measure $network "$seed" w4-analytic "${w4[@]}" "${nearest[@]}" --set ptq.bias_correction=analytic
    measure $network "$seed" w4-empirical "${w4[@]}" "${nearest[@]}" --set ptq.bias_correction=empirical
    measure $network "$seed" w4-adaround "${w4[@]}" --set ptq.rounding=adaround --set ptq.bias_correction=none
    measure $network "$seed" w4-adaround-bias "${w4[@]}" --set ptq.rounding=adaround --set ptq.bias_correction=empirical
    measure $network "$seed" kmeans3 --set ptq.weights=kmeans3 "${plain[@]}" "${nearest[@]}" --set ptq.centroids.iterations=0
    measure $network "$seed" kmeans3-tuned --set ptq.weights=kmeans3 "${plain[@]}" "${nearest[@]}"
  done
  # One scale for a tensor, with and without equal ranges; at fewer bits too, where ranges matter more.
  for bits in 8 6 5; do
    w=(--set ptq.weights=$bits --set quantization.weight_calibration=minmax "${nearest[@]}")
    measure mobilenet "$seed" "w$bits-channel" "${w[@]}" "${channel[@]}" "${plain[@]}"
    measure mobilenet "$seed" "w$bits-tensor" "${w[@]}" "${tensor[@]}" "${plain[@]}"
    measure mobilenet "$seed" "w$bits-tensor-equalized" "${w[@]}" "${tensor[@]}" "${equalized[@]}"
  done
done

python3 - "$folder" "${seeds[@]}" <<'PYTHON'
import json, pathlib, statistics, sys

folder, seeds = pathlib.Path(sys.argv[1]), sys.argv[2:]
for network in ("resnet20", "mobilenet"):
    names = sorted({path.name.split("-", 2)[2][:-5] for path in folder.glob(f"{network}-[0-9]*-*.json")})
    print(f"\n{network:28} " + "".join(f"  seed {seed:>2}" for seed in seeds) + "     mean   to fp32   on integers   seconds")
    rows = []
    for name in names:
        runs = [json.loads((folder / f"{network}-{seed}-{name}.json").read_text()) for seed in seeds]
        accuracy = [100 * run["steps"][-1]["quantized_accuracy"] for run in runs]
        fp32 = [100 * run["steps"][0]["float_accuracy"] for run in runs]
        integers = statistics.mean(100 * run["integer_accuracy"] for run in runs)
        seconds = statistics.mean(sum(step["seconds"] for step in run["steps"]) for run in runs)
        rows.append((name, accuracy, fp32, integers, seconds))
    print(f"{'fp32':28} " + "".join(f"{a:9.2f}" for a in rows[0][2]) + f"{statistics.mean(rows[0][2]):9.2f}")
    for name, accuracy, fp32, integers, seconds in rows:
        change = statistics.mean(accuracy) - statistics.mean(fp32)
        print(f"{name:28} " + "".join(f"{a:9.2f}" for a in accuracy)
              + f"{statistics.mean(accuracy):9.2f}{change:+10.2f}{integers:14.2f}{seconds:10.1f}")
PYTHON
