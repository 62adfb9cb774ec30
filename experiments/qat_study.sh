#!/usr/bin/env bash
# resnet20 on Fashion-MNIST: 15 epochs in fp32, and from the same network 5 epochs under quantization: 4 bits and 2 bits by
# LSQ, and binary weights with 8-bit activations, over several seeds each.
#
#   experiments/qat_study.sh [SEEDS [FOLDER]]         "1 2 3" results/qat_study
#   BITSMITH=build/bin/bitsmith                       the program
#
# Prints a table: validation and test accuracy in percent of each seed's integer network, mean, spread (largest less
# smallest), and seconds of training. What has been trained before is not trained again. About 45 minutes on two cores.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${BITSMITH:-$here/build/bin/bitsmith}
seeds=${1:-1 2 3} folder=${2:-results/qat_study}
config=$here/configs/qat_resnet20.yaml
mkdir -p "$folder"

# timed NAME PROGRAM...: runs it, and writes NAME.seconds; a training that only goes on has no time of its own.
timed() {
  local name=$1 start resumed=""
  shift
  [ ! -e "$name.work" ] || resumed="resumed, "
  start=$(date +%s)
  "$@" --output "$name.h5" --quiet --json > "$name.json"
  echo "$resumed$(($(date +%s) - start)) s" > "$name.seconds"
}

fp32=$folder/fp32
[ -f "$fp32.seconds" ] || timed "$fp32" "$program" qat "$config" --set finetune.epochs=0
jq -r --arg s "$(cat "$fp32.seconds")" \
  '"fp32: validation \(.validation.fp32 * 10000 | round / 100), test \(.test.fp32 * 10000 | round / 100) (\($s))"' "$fp32.json"

study() {  # NAME, then --set arguments
  local name=$1 accuracies=() seconds=()
  shift
  for seed in $seeds; do
    local result=$folder/$name-$seed
    [ -f "$result.seconds" ] ||
      timed "$result" "$program" qat "$config" --set "network.checkpoint=$fp32.work/trained.h5" --set "seed=$seed" "$@"
    accuracies+=("$(jq '.test.integers // .test.simulated | . * 10000 | round / 100' "$result.json")")
    seconds+=("$(cat "$result.seconds"),")
  done
  printf '%s\n' "${accuracies[@]}" | sort -g | awk -v name="$name" -v all="${accuracies[*]}" -v seconds="${seconds[*]}" '
    { sum += $1; if (NR == 1) low = $1; high = $1 }
    END { printf "%s: test %s, mean %.2f, spread %.2f (%s)\n", name, all, sum / NR, high - low, substr(seconds, 1, length(seconds) - 1) }'
}

study w4a4_lsq --set qat.weights=4 --set qat.activations=4
study w2a2_lsq --set qat.weights=2 --set qat.activations=2
study binary_a8 --set qat.weights=binary --set qat.activations=8 --set quantization.weight_method=straight_through
