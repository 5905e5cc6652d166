#!/usr/bin/env bash
# run_example.sh NAME PROGRAM [LIBRARY]: runs a program in an empty directory and compares what it prints.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
fail() { printf 'unexpected output:\n%s\n' "$1" >&2; exit 1; }

case $1 in
  quickstart)
    shown=$("$2" "$directory/store")
    [ "$shown" = $'green  0.000\nblack  0.006' ] || fail "$shown"
    ;;
  agent_memory)
    shown=$("$2" write "$directory/store")
    [ "$shown" = "stored 6 turns" ] || fail "$shown"
    shown=$("$2" recall "$directory/store")
    # Of another tenant, and later than the question allows: neither may be recalled.
    case $shown in *globex* | *acme/3*) fail "$shown" ;; esac
    [ "$(wc -l <<<"$shown")" = 2 ] || fail "$shown"
    grep -q '^acme/1  0\.[0-9]*  day 1  a compiler cache' <<<"$shown" || fail "$shown"
    ;;
  host) "$2" "$3" "$directory" ;;
  *) fail "no example '$1'" ;;
esac
