# What the comparisons with ONNX Runtime need; sourced. Sets `ort`, the folder with its npm package.
require_ort() {  # NAME-OF-SCRIPT PROGRAM...
  local script=$1 program missing=()
  shift
  for program in node npm "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  /usr/bin/python3 -c 'import onnx, numpy' 2>/dev/null || missing+=(python3-onnx)
  if ((${#missing[@]})); then
    echo "$script: needs ${missing[*]} (apt-get install nodejs npm jq python3-onnx)" >&2
    exit 2
  fi
  ort=${BITSMITH_ORT_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/bitsmith-bench/ort}
  if [[ ! -d $ort/node_modules/onnxruntime-node ]]; then
    mkdir -p "$ort"
    (cd "$ort" && npm install --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 >&2)
  fi
}
