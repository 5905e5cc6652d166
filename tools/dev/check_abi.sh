#!/usr/bin/env bash
# Fails when LIBRARY exports a symbol that is not named by PATTERN, or other symbols than LIST holds.
# usage: check_abi.sh LIBRARY PATTERN [LIST]    e.g. build/dev/libanear.so 'anear_[a-z0-9_]+' bindings/c/abi/symbols.txt
#        check_abi.sh --update LIBRARY LIST     writes the list: a change of it is a change of the ABI and is reviewed
set -euo pipefail
export LC_ALL=C

# Names without their version; the version's own symbol (type A) is no function.
exported() { nm -D --defined-only --format=posix "$1" | awk '$2 != "A" {sub(/@.*/, "", $1); print $1}' | sort -u; }

if [ "${1:-}" = --update ]; then
  exported "$2" >"$3"
  exit 0
fi
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
library=$1 pattern=$2 list=${3:-}
names=$(exported "$library")
[ -n "$names" ] || { echo "$library exports nothing" >&2; exit 1; }
status=0
if strangers=$(grep -vxE "$pattern" <<<"$names"); then
  echo "$library exports what it must hide:" >&2
  c++filt <<<"$strangers" | cut -c -160 | sed 20q >&2
  status=1
fi
if [ -n "$list" ] && ! difference=$(diff "$list" <(echo "$names")); then
  echo "$library does not export what $list holds (< listed, > exported)." >&2
  echo "If that is meant: tools/dev/check_abi.sh --update $library $list" >&2
  sed 40q <<<"$difference" >&2
  status=1
fi
echo "$library: $(wc -l <<<"$names") symbols exported"
exit $status
