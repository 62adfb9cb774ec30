#!/usr/bin/env bash
# Training, quantization-aware training and evaluation beside PyTorch's fp32, alternately in one sitting, because on
# a shared machine only figures taken together compare.
#
#   tests/bench/training_vs_torch.sh TORCH [NETWORKS [ROUNDS [THREADS]]]
#   tests/bench/training_vs_torch.sh ../torch "resnet20 cnn_small mobilenet_v2_small" 3 "2 1"      (the defaults)
#
# TORCH is a folder with a PyTorch program train_bench.py that takes --net --mode --threads --nhwc and prints one JSON
# object: train_ips and eval_ips as [min, median, max] and rss_train_mib. Needs the bench preset's training_bench
# (BITSMITH_BENCH_DIR, else build-bench/bin), jq and taskset; PYTHON (default python3) has torch.
#
# Prints, for each network, thread count and mode: the best round's median of both, their ratio, and the peak memory of
# both processes. PyTorch trains and evaluates in fp32, channels-last, with bound threads and a malloc that keeps its
# memory: its fastest setting. Modes: fp32, bf16 (training); w4a4, w8a8 (quantization-aware training, integer forward,
# bf16 backward); eval_w8a8, eval_w4a4 (evaluation of the quantized network).
set -euo pipefail

bench=${BITSMITH_BENCH_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build-bench/bin}/training_bench
torch=${1:?usage: $0 TORCH [NETWORKS [ROUNDS [THREADS]]]}
networks=${2:-resnet20 cnn_small mobilenet_v2_small} rounds=${3:-3} thread_counts=${4:-2 1}
modes="fp32 bf16 w4a4 w8a8 eval_w8a8 eval_w4a4"
[ -f "$torch/train_bench.py" ] || { echo "$torch: no train_bench.py there" >&2; exit 2; }
[ -x "$bench" ] || { echo "$bench: build it with the bench preset" >&2; exit 2; }

twin() {  # what PyTorch's program calls the network
  case $1 in
    cnn_small) echo smallcnn ;;
    resnet20) echo resnet20 ;;
    mobilenet_v2_small) echo mbv2 ;;
    *) echo "no PyTorch twin of '$1'; there is one of cnn_small, resnet20, mobilenet_v2_small" >&2; exit 2 ;;
  esac
}
ours() { taskset -c "$cpus" "$bench" --network "$network" --mode "$1" --threads "$threads" --reps 5; }
theirs() {
  (cd "$torch" && MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 \
    OMP_PROC_BIND=true OMP_NUM_THREADS=$threads taskset -c "$cpus" \
    "${PYTHON:-python3}" -W ignore train_bench.py --net "$peer" --mode fp32 --threads "$threads" --nhwc)
}
larger() { printf '%s\n' "$@" | sort -g | tail -n 1; }

for network in $networks; do
  peer=$(twin "$network")
  for threads in $thread_counts; do
    cpus=0-$((threads - 1))
    declare -A best=() memory=()
    for ((round = 0; round < rounds; ++round)); do
      torch_result=$(theirs)
      best[torch-train]=$(larger "${best[torch-train]:-0}" "$(jq '.train_ips[1]' <<<"$torch_result")")
      best[torch-eval]=$(larger "${best[torch-eval]:-0}" "$(jq '.eval_ips[1]' <<<"$torch_result")")
      memory[torch]=$(jq '.rss_train_mib' <<<"$torch_result")
      for mode in $modes; do
        result=$(ours "$mode")
        best[$mode]=$(larger "${best[$mode]:-0}" "$(jq '.images_per_second[1]' <<<"$result")")
        memory[$mode]=$(jq '.peak_mib' <<<"$result")
      done
    done
    for mode in $modes; do
      reference=torch-train
      [[ $mode == eval* ]] && reference=torch-eval
      jq -nc --arg network "$network" --arg mode "$mode" --argjson threads "$threads" --argjson ours "${best[$mode]}" \
        --argjson torch "${best[$reference]}" --argjson mib "${memory[$mode]}" --argjson torch_mib "${memory[torch]}" \
        '{network: $network, mode: $mode, threads: $threads, images_per_second: $ours, torch_fp32: $torch,
          ratio: ($ours / $torch * 100 | round / 100), peak_mib: $mib, torch_peak_mib: $torch_mib,
          memory_ratio: ($mib / $torch_mib * 100 | round / 100)}'
    done
  done
done
