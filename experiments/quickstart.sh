#!/usr/bin/env bash
# From a fresh Debian 12 to results: installs what is missing, builds, and runs configs/quickstart.yaml, whose results
# end on the screen and in results/quickstart.h5. After an interruption it goes on where it was; when it has finished it
# shows the results again (--fresh runs anew). Arguments go to `bitsmith run`, e.g. --set search.episodes=200.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

bitsmith_install_packages
bitsmith_build bitsmith
cd "$bitsmith_root"
resume=(--resume)
for argument in "$@"; do [[ $argument == --fresh || $argument == --resume ]] && resume=(); done
exec build/bin/bitsmith run configs/quickstart.yaml "${resume[@]}" "$@"
