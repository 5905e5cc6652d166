"""The environment that peers are installed into: build/bench-venv, so that nothing else on the machine changes.

Standard library only: it runs before anything is installed."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import subprocess
import sys
import venv
from importlib import metadata

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


def known_peers() -> list[str]:
    return sorted(path.name.removesuffix("_peer.py") for path in PEERS.glob("*_peer.py"))


def requirements_of(peer: str) -> list[str]:
    """The `requirements` that a peer's file states, read without importing it: what it imports may not be here yet."""
    for statement in ast.parse((PEERS / f"{peer}_peer.py").read_text()).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "requirements" for target in targets):
            return list(ast.literal_eval(statement.value))
    return []


def installed_version(requirement: str) -> str | None:
    try:
        return metadata.version(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return None


def choose_peers(names: list[str], install: bool) -> tuple[list[str], dict[str, str]]:
    """The peers that can run, in the order asked for, and for each of the others the reason why it cannot."""
    usable, skipped = [], {}
    for name in dict.fromkeys(names):
        if name not in known_peers():
            skipped[name] = f"unknown; there are {', '.join(known_peers())}"
            continue
        missing = [text for text in requirements_of(name) if installed_version(text) is None]
        if missing and install:
            print(f"installing {', '.join(missing)}", file=sys.stderr)
            failure = pip_install(missing, pathlib.Path(sys.executable))
        else:
            failure = f"not installed: {', '.join(missing)}" if missing else None
        if failure:
            skipped[name] = failure
        else:
            usable.append(name)
    return usable, skipped


def pip_install(packages: list[str], python: pathlib.Path) -> str | None:
    """None, or the last line that pip said."""
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
