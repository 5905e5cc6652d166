#!/usr/bin/env bash
# Reports what including each public header costs: lines after preprocessing, seconds to compile it alone (the least of three).
# usage: tools/dev/include_cost.sh [HEADER...]    e.g. anear/index/hnsw_index.hpp; a report, no test: it depends on the machine
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
compiler=${CXX:-g++}
headers=("$@")
[ $# -gt 0 ] || headers=(anear/collection/collection.hpp anear/collection/store.hpp anear/index/hnsw_index.hpp anear/index/flat_index.hpp)
flags=(-std=c++20 "-I$root/include" -x c++)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# cost TITLE FLAG...: of $work/unit.cpp
cost() {
  local title=$1 least=999 lines seconds
  shift
  lines=$("$compiler" "${flags[@]}" "$@" -E -P "$work/unit.cpp" | wc -l)
  for _ in 1 2 3; do
    seconds=$({ TIMEFORMAT=%U; time "$compiler" "${flags[@]}" "$@" -c "$work/unit.cpp" -o "$work/unit.o"; } 2>&1)
    least=$(awk -v a="$least" -v b="$seconds" 'BEGIN {print (b < a ? b : a)}')
  done
  printf '%-52s %8d lines %6.2f s\n' "$title" "$lines" "$least"
}

: >"$work/unit.cpp"
cost "(an empty unit)" -O0
for header in "${headers[@]}"; do
  echo "#include <$header>" >"$work/unit.cpp"
  cost "$header" -O0 -DANEAR_SIMD_LIBRARY=1
done
echo '#include <anear/index/hnsw_index.hpp>' >"$work/unit.cpp"
cost "anear/index/hnsw_index.hpp without anear::simd" -O0
cp "$root/tests/install/find_package/index.cpp" "$work/unit.cpp"
cost "a small index program at -O2" -O2 -DANEAR_SIMD_LIBRARY=1
