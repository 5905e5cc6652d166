# Sourced by tools/test, tools/demo, tools/fuzz and .ci/run: installs what is missing, as Debian packages and into build/venv.
# Nothing else on the machine is changed. Needs root (or sudo) only while a Debian package is missing.
# ccache, where it is used, takes a precompiled header for what it was made from.
export CCACHE_SLOPPINESS=pch_defines,time_macros
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Tests that run beside each other: some wait for the disk or for threads of their own.
jobs=$(($(nproc) + 1))

say() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# install_packages [LIST]: what LIST names, tools/dev/packages.txt without one.
install_packages() {
  local missing=() package
  while read -r package; do
    [ -n "$package" ] || continue
    [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
  done < "${1:-$root/tools/dev/packages.txt}"
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "missing packages: ${missing[*]}; install them, or run this as root" >&2; return 1; }
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# configure PRESET [OPTION...]: with the Python module; what CMake says is shown only if it fails.
configure() {
  local preset=$1 log="$root/build/configure-$1.log"
  shift
  cmake --preset "$preset" -DANEAR_BUILD_PYTHON=ON -DPython_EXECUTABLE="$root/build/venv/bin/python" "$@" >"$log" 2>&1 ||
    { cat "$log" >&2; return 1; }
}

# make_venv: build/venv with the pinned tools of tools/dev/requirements.txt.
make_venv() {
  local venv="$root/build/venv" wanted="$root/tools/dev/requirements.txt"
  if ! cmp -s "$wanted" "$venv/installed.txt"; then
    say "installing Python tools into build/venv"
    mkdir -p "$root/build"
    /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$venv/installed.txt"
  fi
}
