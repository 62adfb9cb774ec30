#!/usr/bin/env bash
# Puts ONNX Runtime for Node where the tests look for it: build/onnxruntime, or the folder that BITSMITH_ORT_DIR names.
# Calls npm only when it is missing there, and apt only when there is no node or npm. Without a network it says what is
# then skipped, and succeeds: the tests say so again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../experiments/setup.sh"

folder=${BITSMITH_ORT_DIR:-$bitsmith_root/build/onnxruntime}
[[ -d $folder/node_modules/onnxruntime-node ]] && exit 0
programs=()
command -v node >/dev/null || programs+=(nodejs)
command -v npm >/dev/null || programs+=(npm)
mkdir -p "$folder"
# --ignore-scripts: the package brings its library for CPUs with it, and its script fetches others.
if { ((${#programs[@]} == 0)) || bitsmith_install "${programs[@]}"; } &&
  (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error onnxruntime-node@1.30.0 >&2); then
  exit 0
fi
echo "tests/onnxruntime/setup.sh: ONNX RUNTIME IS NOT HERE: what runs exported networks in it will be skipped" >&2
