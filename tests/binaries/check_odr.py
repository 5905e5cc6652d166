"""Fails when two objects define one function by one name and mean different things by it.

The objects are one program text compiled with the flags of two ISAs and without optimisation, so that every call and
constant that a function uses is a relocation. A function that both define is kept once by the linker; then it must use
the same functions and data of anear in both. usage: check_odr.py OBJECT OBJECT"""

import re
import subprocess
import sys

# An inline function or variable has a section of its own, which bears its name.
SECTION = re.compile(r"Relocation section '\.rela\.[a-z.]+\.(_Z\S+)'")


def functions(path: str) -> dict[str, set[str]]:
    """What each function uses of anear, all by their mangled names."""
    run = subprocess.run(["readelf", "--relocs", "--wide", path], check=True, capture_output=True, text=True)
    found: dict[str, set[str]] = {}
    function = None
    for line in run.stdout.splitlines():
        if line.startswith("Relocation section"):
            head = SECTION.match(line)
            function = head.group(1) if head else None
        elif function and "5anear" in line:
            found.setdefault(function, set()).add(line.split()[4])
    return found


def shared_names(path: str) -> set[str]:
    run = subprocess.run(["nm", "--defined-only", "--format=posix", path], check=True, capture_output=True, text=True)
    return {line.split()[0] for line in run.stdout.splitlines() if line.split()[1] in "WVu"}


def main(first: str, second: str) -> int:
    uses, others = functions(first), functions(second)
    shared = sorted(shared_names(first) & shared_names(second))
    breaches = [name for name in shared if uses.get(name) != others.get(name)]
    for name in breaches:
        different = "\n    ".join(sorted(uses.get(name, set()) ^ others.get(name, set())))
        said = subprocess.run(["c++filt"], input=f"{name} differs in its use of\n    {different}\n",
                              check=True, capture_output=True, text=True)
        print(said.stdout, end="")
    own = sum("5anear" in name for name in shared)
    print(f"{len(shared)} names are shared, {own} of them anear's; {len(breaches)} differ")
    return 1 if breaches or own == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
