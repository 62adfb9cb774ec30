#!/usr/bin/env bash
# Folders are layers: fails when one includes what it may not. The table is the one in README.md.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

declare -A may=(
  [quant]="quant"
  [trainer]="quant trainer"
  [hwmodels]="quant hwmodels"
  [search]="quant trainer hwmodels search"
  [experiments]="quant trainer hwmodels search experiments"
)
folders="quant trainer hwmodels search experiments tests configs"
failures=0
for folder in "${!may[@]}"; do
  while IFS=: read -r file line text; do
    target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$text")
    top=${target%%/*}
    if [[ $target != */* || " $folders " != *" $top "* ]]; then
      echo "$file:$line: \"$target\" is not root-relative"
      failures=1
    elif [[ " ${may[$folder]} " != *" $top "* ]]; then
      echo "$file:$line: $folder/ may include ${may[$folder]}, not $top ($target)"
      failures=1
    fi
  done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder" --include='*.hpp' --include='*.cpp' || true)
done
# quant/base is below the rest of quant.
if grep -rnE '#include "quant/' quant/base --include='*.hpp' --include='*.cpp' | grep -v '"quant/base/'; then
  echo "quant/base/ may include quant/base only"
  failures=1
fi
exit $failures
