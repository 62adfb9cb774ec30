#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.
#   tests/run.sh          everything that fits into CI
#   tests/run.sh --slow   also what takes longer: the quick start end to end, the comparisons of post-training
#                         quantizations, of trainings under quantization and of exported networks in ONNX Runtime,
#                         and the sanitizer build
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../experiments/setup.sh"

slow=0
for argument in "$@"; do
  case $argument in
    --slow) slow=1 ;;
    *) echo "usage: tests/run.sh [--slow]" >&2; exit 2 ;;
  esac
done

bitsmith_install_packages
bitsmith_build
cd "$bitsmith_root"
tests/onnxruntime/setup.sh
ctest --preset release

# The same kernels as older CPUs run them; a CPU without AVX2 has run the scalar ones above.
isas=(scalar)
if grep -qw avx2 /proc/cpuinfo; then isas+=(avx2); fi
for isa in "${isas[@]}"; do
  echo "Tests with BITSMITH_ISA=$isa"
  BITSMITH_ISA=$isa ctest --preset release -R '^(quant|trainer|hwmodels|experiments)$'
done

if ((slow)); then
  cmake --preset asan && cmake --build build-asan && ctest --preset asan
  BITSMITH_SLOW=1 build/bin/experiments_tests -t onnx_networks  # profiles of all networks
  experiments/quickstart.sh --output build/slow/quickstart.h5
  experiments/ptq_study.sh
  experiments/qat_study.sh "1 2 3" build/slow/qat_study
  experiments/onnx_agreement.sh build/slow/onnx_agreement
fi
