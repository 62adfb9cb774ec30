#!/usr/bin/env bash
# Training, quantization-aware training and evaluation speed beside PyTorch's, alternately in one sitting, because
# on a shared machine only figures taken together compare.
#
#   tests/bench/training_vs_torch.sh TORCH_BENCH [NETWORK [ROUNDS [THREADS]]]     resnet20, 3 rounds, 2 threads
#
# TORCH_BENCH is a PyTorch program that takes --net --mode fp32|ste --threads --nhwc and prints one JSON object with
# train_ips and eval_ips as [min, median, max]. Needs the bench preset's training_bench (BITSMITH_BENCH_DIR, build/bin).
# Prints, for each mode, the best median of the rounds of both and their ratio.
set -euo pipefail

bench=${BITSMITH_BENCH_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/bin}/training_bench
torch=${1:?usage: $0 TORCH_BENCH [NETWORK [ROUNDS [THREADS]]]}
network=${2:-resnet20} rounds=${3:-3} threads=${4:-2}
case $network in
  cnn_small) peer=smallcnn ;;
  resnet20) peer=resnet20 ;;
  mobilenet_v2_small) peer=mbv2 ;;
  *) echo "no PyTorch twin of '$network'; there is one of cnn_small, resnet20, mobilenet_v2_small" >&2; exit 2 ;;
esac

cpus=0-$((threads - 1))
ours() { taskset -c "$cpus" "$bench" --network "$network" --mode "$1" --threads "$threads" | jq '.images_per_second[1]'; }
theirs() {  # A tuned malloc and bound threads: PyTorch's fastest setting here.
  (cd "$(dirname "$torch")" && MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 \
    OMP_PROC_BIND=true OMP_NUM_THREADS=$threads taskset -c "$cpus" \
    "${PYTHON:-python3}" -W ignore "$(basename "$torch")" --net "$peer" --mode "$1" --threads "$threads" --nhwc)
}

declare -A best
keep() { best[$1]=$(printf '%s\n' "${best[$1]:-0}" "$2" | sort -g | tail -n 1); }
for ((round = 0; round < rounds; ++round)); do
  for mode in fp32 qat eval; do keep "ours-$mode" "$(ours $mode)"; done
  fp32=$(theirs fp32)
  keep torch-fp32 "$(jq '.train_ips[1]' <<<"$fp32")"
  keep torch-eval "$(jq '.eval_ips[1]' <<<"$fp32")"
  keep torch-qat "$(theirs ste | jq '.train_ips[1]')"
done
for mode in fp32 qat eval; do
  jq -nc --arg network "$network" --arg mode "$mode" --argjson threads "$threads" --argjson ours "${best[ours-$mode]}" \
    --argjson torch "${best[torch-$mode]}" '{network: $network, mode: $mode, threads: $threads,
      images_per_second: $ours, torch_images_per_second: $torch, ratio: ($ours / $torch * 100 | round / 100)}'
done
