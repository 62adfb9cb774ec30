#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.
#   tests/run.sh          everything that fits into CI
#   tests/run.sh --slow   also what takes longer: the quick start end to end, and the sanitizer build
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
ctest --preset release

if ((slow)); then
  cmake --preset asan && cmake --build build-asan && ctest --preset asan
  experiments/quickstart.sh --output build/slow/quickstart.h5
fi
