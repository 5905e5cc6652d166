"""Fails when code of a higher instruction set stands where a lower one may run it.

Every function of the given objects, archives and libraries is disassembled. VEX and EVEX instructions (AVX and up) may
stand only in the kernels of their own ISA, anear::…::isa_avx2:: and anear::…::isa_avx512::, EVEX only in the latter.
Anywhere else, above all in a shared inline function that the linker merges, they would kill the process on a
processor without them. A file in which no such kernel is found fails too, behind --kernels. Ends with 77 if a file
has no symbols to tell functions by.

usage: check_isa.py [--kernels] FILE..."""

import re
import subprocess
import sys

FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*\t(\S+)")
KERNEL = re.compile(r"\banear::(?:\w+::)*isa_(avx2|avx512)::")
# Prefixes that may stand before VEX or EVEX: segments and the address size.
PREFIXES = {"26", "2e", "36", "3e", "64", "65", "67"}
# In 64-bit code these first bytes mean nothing else.
ENCODINGS = {"c4": "VEX", "c5": "VEX", "62": "EVEX"}
ALLOWED = {"avx2": {"VEX"}, "avx512": {"VEX", "EVEX"}}


def encoding(code: str) -> str | None:
    for byte in code.split():
        if byte not in PREFIXES:
            return ENCODINGS.get(byte)
    return None


def leaks(path: str) -> tuple[int, int, list[str]]:
    """How many functions and kernels with wide instructions there are, and the leaks."""
    run = subprocess.run(["objdump", "--disassemble", "--demangle", "--wide", path], check=True, stdout=subprocess.PIPE)
    function, functions, kernels, found = "", 0, set(), {}
    for line in run.stdout.decode(errors="replace").splitlines():
        if head := FUNCTION.match(line):
            function = head.group(1)
            functions += 1
        elif instruction := INSTRUCTION.match(line):
            wide = encoding(instruction.group(1))
            if wide is None:
                continue
            kernel = KERNEL.search(function)
            if kernel and wide in ALLOWED[kernel.group(1)]:
                kernels.add(function)
            else:
                found.setdefault(function, f"{path}: {wide} {instruction.group(2)} in {function}")
    return functions, len(kernels), list(found.values())


def has_symbols(path: str) -> bool:
    symbols = subprocess.run(["nm", "--defined-only", path], check=True, capture_output=True, text=True)
    return bool(symbols.stdout.strip())


def main(arguments: list[str]) -> int:
    paths = [argument for argument in arguments if argument != "--kernels"]
    status = 0 if paths else 2
    for path in paths:
        if not has_symbols(path):
            print(f"{path}: stripped, nothing tells its functions apart")
            status = status or 77
            continue
        functions, kernels, found = leaks(path)
        print(*found, sep="\n", end="\n" if found else "")
        print(f"{path}: {functions} functions, {kernels} kernels above the floor, {len(found)} leaks")
        if found or (not kernels and "--kernels" in arguments):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
