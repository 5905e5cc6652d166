"""Runs clang-tidy over the compiled files of a build folder, several at a time, and prints each finding once.

Files are those of src/, bindings/ and tools/, headers being seen through them; a public header that none of them includes
is checked through the unit that compiles it alone. A unit that was clean is not run again until something that
clang-tidy saw of the project changes: source, included files, flags, settings, version. System headers are not watched."""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
FINDING = re.compile(r"^\S+:\d+:\d+: (?:warning|error): ")


class Unit:
    """One entry of compile_commands.json, with all files of the project that it reads."""

    def __init__(self, entry: dict[str, str]):
        self.file = pathlib.Path(entry["directory"], entry["file"])
        self.command = entry["command"]
        words = shlex.split(self.command)
        self.folders = [w[2:] for w in words if w.startswith("-I") and len(w) > 2]
        self.folders += [words[i + 1] for i, w in enumerate(words) if w == "-isystem"]
        self.reads = self._closure()

    def _closure(self) -> list[pathlib.Path]:
        found: set[pathlib.Path] = set()
        waiting = [self.file]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            found.add(path)
            for name in INCLUDE.findall(path.read_text()):
                places = (pathlib.Path(folder, name) for folder in (path.parent, *self.folders))
                waiting += [p.resolve() for p in places if p.is_file() and ROOT in p.resolve().parents][:1]
        return sorted(found)

    def key(self, settings: bytes) -> str:
        digest = hashlib.sha256(settings + self.command.replace(str(ROOT), "").encode())
        for path in self.reads:
            digest.update(str(path).replace(str(ROOT), "").encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


def units(build: pathlib.Path) -> list[Unit]:
    entries = json.loads((build / "compile_commands.json").read_text())
    own, alone = [], []
    for entry in entries:
        file = pathlib.Path(entry["directory"], entry["file"])
        if any(file.is_relative_to(ROOT / folder) for folder in ("src", "bindings", "tools")):
            own.append(Unit(entry))
        elif "_verify_interface_header_sets" in str(file) and file.exists():
            alone.append(Unit(entry))
    seen = {path for unit in own for path in unit.reads}
    for unit in alone:
        if not seen.issuperset(p for p in unit.reads if p.is_relative_to(ROOT / "include")):
            own.append(unit)
            seen.update(unit.reads)
    return sorted(own, key=lambda unit: -sum(p.stat().st_size for p in unit.reads))


def settings(tidy: str) -> bytes:
    files = sorted(p for p in ROOT.rglob(".clang-tidy") if "build" not in p.relative_to(ROOT).parts)
    version = subprocess.run([tidy, "--version"], check=True, capture_output=True).stdout
    return version + b"\0".join(str(p.relative_to(ROOT)).encode() + b"\0" + p.read_bytes() for p in files)


def check(tidy: str, build: pathlib.Path, unit: Unit) -> str:
    """What clang-tidy says of `unit`; empty when it is clean."""
    run = subprocess.run([tidy, "--quiet", "-p", str(build), str(unit.file)], capture_output=True, text=True)
    if run.returncode == 0 and not FINDING.search(run.stdout):
        return ""
    return run.stdout if run.stdout else f"{unit.file}: clang-tidy ended with {run.returncode}\n{run.stderr}"


def findings(output: str) -> dict[str, str]:
    """Each finding with its notes, by its first line, so that those of shared headers count once."""
    found: dict[str, str] = {}
    first = ""
    for line in output.splitlines():
        if FINDING.match(line) or not first:
            first = line
            found[first] = ""
        found[first] += line.replace(f"{ROOT}/", "") + "\n"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="a build folder with compile_commands.json")
    parser.add_argument("--clang-tidy", default=str(ROOT / "build/venv/bin/clang-tidy"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--cache", type=pathlib.Path, help="folder that remembers clean units")
    given = parser.parse_args()
    cache = given.cache or given.build / "tidy-cache"
    cache.mkdir(exist_ok=True)

    all_units = units(given.build)
    common = settings(given.clang_tidy)
    keys = {unit: unit.key(common) for unit in all_units}
    due = [unit for unit in all_units if not (cache / keys[unit]).exists()]
    found: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for unit, output in zip(due, pool.map(lambda u: check(given.clang_tidy, given.build, u), due)):
            found |= findings(output)
            if not output:
                (cache / keys[unit]).touch()
    print("".join(found.values()), end="")
    print(f"clang-tidy: {len(all_units)} units, {len(all_units) - len(due)} unchanged, {len(found)} findings")
    return 1 if found or not all_units else 0


if __name__ == "__main__":
    sys.exit(main())
