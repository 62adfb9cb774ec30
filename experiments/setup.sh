#!/usr/bin/env bash
# Installs the Debian packages that are missing and builds bitsmith in build/. Sourced by quickstart.sh and
# tests/run.sh; calls apt only when something is missing, so it also works offline.
set -euo pipefail

bitsmith_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

bitsmith_install_packages() {
  local missing=() package
  while read -r package; do
    [[ -z $package || $package == \#* ]] && continue
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
  done < "$bitsmith_root/experiments/packages.txt"
  ((${#missing[@]})) || return 0
  bitsmith_install "${missing[@]}"
}

# bitsmith_install PACKAGE...: by apt.
bitsmith_install() {
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || {
      echo "bitsmith: these packages are missing, and neither root nor sudo is here to install them: $*" >&2
      return 2
    }
    as_root=(sudo)
  fi
  echo "bitsmith: installing $*"
  local options=(-o DPkg::Lock::Timeout=300 -qq)
  "${as_root[@]}" apt-get "${options[@]}" update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# bitsmith_build [TARGET...]: the release build, quiet unless it fails or speaks to a terminal.
bitsmith_build() {
  cd "$bitsmith_root"
  local log=build/setup.log
  mkdir -p build
  if [[ -t 1 ]]; then
    cmake --preset release >"$log" && cmake --build build -- "$@"
  else
    { cmake --preset release && cmake --build build -- "$@"; } >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  fi
}
