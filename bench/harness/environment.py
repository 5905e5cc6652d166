"""The environment that peers are installed into: build/bench-venv, so that nothing else on the machine changes.

Standard library only: it runs before anything is installed."""

from __future__ import annotations

import ast
import functools
import os
import pathlib
import re
import subprocess
import sys
import venv
from importlib import metadata
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
VENV = ROOT / "build" / "bench-venv"
PACKAGE = ROOT / "build" / "release" / "python"


def enter() -> None:
    """Starts the program again inside the environment, made if need be, with anear's release build on the path."""
    if pathlib.Path(sys.prefix) == VENV:
        return
    python = VENV / "bin" / "python"
    if not python.exists():
        print(f"making {VENV.relative_to(ROOT)}", file=sys.stderr)
        venv.create(VENV, with_pip=True)
    if failure := pip_install(["numpy"], python):
        sys.exit(f"numpy cannot be installed into {VENV}: {failure}")
    paths = [str(PACKAGE)] + [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.execv(python, [str(python), *sys.argv])


def known_peers(kind: str = "peer") -> list[str]:
    return sorted(path.name.removesuffix(f"_{kind}.py") for path in PEERS.glob(f"*_{kind}.py"))


def requirements_of(peer: str, kind: str = "peer") -> list[str]:
    """The `requirements` that a peer's file states."""
    return list(_literals(PEERS / f"{peer}_{kind}.py").get("requirements", []))


def facts_of(store: str) -> dict[str, Any]:
    """What a store's file states of itself."""
    return _literals(PEERS / f"{store}_store.py")


@functools.cache
def _literals(path: pathlib.Path) -> dict[str, Any]:
    """The names at the top of a file that are set to literals, read without importing it: what it imports may not be here yet."""
    found = {}
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.Assign):
            continue
        target, value = statement.targets[0], statement.value
        pairs = zip(target.elts, value.elts) if isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple) else [(target, value)]
        for name, literal in pairs:
            try:
                found[ast.unparse(name)] = ast.literal_eval(literal)
            except ValueError:
                continue
    return found


def installed_version(requirement: str) -> str | None:
    try:
        return metadata.version(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return None


def choose_peers(names: list[str], install: bool, kind: str = "peer") -> tuple[list[str], dict[str, str]]:
    """The peers that can run, in the order asked for, and for each of the others the reason why it cannot."""
    usable, skipped = [], {}
    for name in dict.fromkeys(names):
        if name not in known_peers(kind):
            skipped[name] = f"unknown; there are {', '.join(known_peers(kind))}"
        elif failure := require(requirements_of(name, kind), install):
            skipped[name] = failure
        else:
            usable.append(name)
    return usable, skipped


def require(packages: list[str], install: bool = True) -> str | None:
    """None when they are here, or were installed now; otherwise why not."""
    missing = [text for text in packages if installed_version(text) is None]
    if not missing:
        return None
    if not install or pathlib.Path(sys.prefix) != VENV:
        return f"not installed: {', '.join(missing)}"
    print(f"installing {', '.join(missing)}", file=sys.stderr)
    return pip_install(missing, pathlib.Path(sys.executable))


def pip_install(packages: list[str], python: pathlib.Path) -> str | None:
    """None, or the last line that pip said."""
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
