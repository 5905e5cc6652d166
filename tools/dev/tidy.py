"""Checks that no compiler makes: the include graph, headers that public headers must not pull in, sizes, unfinished marks,
silenced warnings without a reason.

Prints each finding as file:line and ends with status 1 if there is one."""

import pathlib
import re
import sys
import tomllib

import lizard

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANNED = {"iostream", "functional", "filesystem", "thread", "regex", "random", "ranges", "immintrin.h"}
# The kernels are intrinsics; users who link anear::simd never include them.
BANNED_EXEMPT = {"include/anear/simd/kernels.inl"}
LINES, COLUMNS, FUNCTION_LINES, COMPLEXITY, PARAMETERS = 600, 100, 70, 15, 5
# One search form has one argument for each documented keyword of Python.
# And what overrides a function of RocksDB has its parameters.
PARAMETERS_EXEMPT = {"bindings/python/src/bind_collection.cpp", "src/storage/rocksdb_options.cpp"}
findings: list[str] = []


def files() -> list[pathlib.Path]:
    found = []
    for folder in ("include", "src", "bindings", "tools", "bench", "tests"):
        found += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".hpp", ".cpp", ".h", ".inl", ".c", ".py")]
    return sorted(p for p in found if "__pycache__" not in p.parts)


def closure(table: dict[str, list[str]]) -> dict[str, set[str]]:
    allowed: dict[str, set[str]] = {}

    def visit(room: str, path: tuple[str, ...]) -> set[str]:
        if room in path:
            findings.append(f"tools/dev/layers.toml: cycle {' -> '.join((*path, room))}")
            return {room}
        if room not in allowed:
            allowed[room] = {room}.union(*(visit(below, (*path, room)) for below in table[room]))
        return allowed[room]

    for room in table:
        visit(room, ())
    return allowed


def room_of(path: str) -> str | None:
    match = re.match(r"(?:include/anear|src)/([a-z]+)/", path)
    return match.group(1) if match else None


def check_includes(path: pathlib.Path, allowed: dict[str, set[str]]) -> None:
    name = path.relative_to(ROOT).as_posix()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line):
            for why in (*wrong_room(name, match.group(1), allowed), *wrong_package(name, match.group(1))):
                findings.append(f"{name}:{number}: {why}")


def wrong_room(name: str, target: str, allowed: dict[str, set[str]]) -> list[str]:
    """What the include graph says against including `target` in file `name`."""
    room = room_of(name)
    to = re.match(r"(?:anear/)?(core|simd|quant|index|filter|storage|collection)/", target)
    wrong = []
    if room and to and to.group(1) not in allowed[room]:
        wrong.append(f"room {room} must not include {to.group(1)}")
    if target.startswith("../"):
        wrong.append("files are included by their path from include/, src/ or their own folder")
    if name.startswith(("bindings/", "tools/", "bench/")) and to and not target.startswith("anear/"):
        wrong.append("bindings, tools and bench include installed headers only")
    return wrong


def wrong_package(name: str, target: str) -> list[str]:
    """What is said against including a header of others, `target`, in file `name`."""
    public = name.startswith("include/")
    wrong = []
    if public and target in BANNED and name not in BANNED_EXEMPT:
        wrong.append(f"public headers must not include <{target}>")
    if public and re.match(r"(rocksdb|flatbuffers|roaring)/", target):
        wrong.append(f"types of {target} must not appear in an installed header")
    if target.startswith("Eigen/") and not name.startswith(("include/anear/quant/", "tests/")):
        wrong.append("Eigen is included by quant only")
    if target.startswith("rocksdb/") and not name.startswith(("src/storage/rocksdb_", "tests/")):
        wrong.append("RocksDB is included by storage/rocksdb_* only")
    return wrong


def check_text(path: pathlib.Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    lines = path.read_text().splitlines()
    if len(lines) > LINES:
        findings.append(f"{name}: {len(lines)} lines, at most {LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS and path.suffix != ".py":
            findings.append(f"{name}:{number}: {len(line)} columns, at most {COLUMNS}")
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            findings.append(f"{name}:{number}: unfinished mark")
        if path.suffix != ".py" and re.search(r"NOLINT(?!END|(NEXTLINE|BEGIN)?\([a-z][a-z.,-]+\): \w)", line):
            findings.append(f"{name}:{number}: a NOLINT names its check and says why: NOLINT(check): reason")


def check_functions(path: pathlib.Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for function in lizard.analyze_file(str(path)).function_list:
        where = f"{name}:{function.start_line}: {function.name}"
        if function.length > FUNCTION_LINES:
            findings.append(f"{where} has {function.length} lines, at most {FUNCTION_LINES}")
        if function.cyclomatic_complexity > COMPLEXITY:
            findings.append(f"{where} has complexity {function.cyclomatic_complexity}, at most {COMPLEXITY}")
        if len(function.parameters) > PARAMETERS and name not in PARAMETERS_EXEMPT and path.suffix != ".py":
            findings.append(f"{where} has {len(function.parameters)} parameters, at most {PARAMETERS}")


def main() -> int:
    table = tomllib.loads((ROOT / "tools/dev/layers.toml").read_text())["rooms"]
    allowed = closure(table)
    for path in files():
        if path.suffix != ".py":
            check_includes(path, allowed)
        check_text(path)
        if path.parts[len(ROOT.parts)] in ("include", "src", "bindings", "tools"):
            check_functions(path)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(files())} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
