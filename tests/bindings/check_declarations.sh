#!/usr/bin/env bash
# Fails when anear.h declares other functions than abi/symbols.txt lists, when these are more than 70, or when the symbols and
# the name of LIBRARY do not carry ANEAR_ABI_VERSION.
# usage: check_declarations.sh BINDINGS LIBRARY
set -euo pipefail
export LC_ALL=C
header=$1/include/anear.h symbols=$1/abi/symbols.txt library=$2
version=$(sed -n 's/^#define ANEAR_ABI_VERSION //p' "$header")
status=0
fail() { echo "$1" >&2; status=1; }

# A declaration may go on in the next line.
declared=$(tr '\n' ' ' <"$header" | grep -oE 'ANEAR_API [a-z0-9_ *]*anear_[a-z0-9_]+\(' | grep -oE 'anear_[a-z0-9_]+\($' | tr -d '(' | sort)
difference=$(diff "$symbols" <(echo "$declared")) || fail "$header does not declare what $symbols lists: $difference"
[ "$(wc -l <"$symbols")" -le 70 ] || fail "$symbols lists more than 70 functions"
others=$(nm -D --defined-only "$library" | grep ' T ' | grep -v "@@ANEAR_$version\$" || true)
[ -z "$others" ] || fail "symbols without the version ANEAR_$version: $others"
readelf -d "$library" | grep -q "SONAME.*\[libanear.so.$version\]" || fail "the soname does not end in $version"
exit $status
