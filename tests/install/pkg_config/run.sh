#!/usr/bin/env bash
# Compiles consumer.c and the examples in C against the installed tree alone, and runs them.
# usage: run.sh CC LIBDIR FOLDER
set -euo pipefail
compiler=$1 libraries=$2 folder=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PKG_CONFIG_PATH="$libraries/pkgconfig" LD_LIBRARY_PATH="$libraries"
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
# shellcheck disable=SC2046 # flags are words
flags=($(pkg-config --cflags --libs anear))
for source in "$here/consumer.c" "$here"/../../../docs/examples/*.c; do
  [ -e "$source" ] || continue
  name=$(basename "$source" .c)
  "$compiler" -std=c99 -Wall -Wextra -Wpedantic -Werror "$source" -o "$name" "${flags[@]}"
  echo "== $name"
  mkdir "run-$name"
  # The one that is two processes.
  steps=("")
  if [ "$name" = agent_memory ]; then steps=("write store" "recall store"); fi
  for step in "${steps[@]}"; do
    # shellcheck disable=SC2086 # a step is words
    (cd "run-$name" && "../$name" $step)
  done
done
