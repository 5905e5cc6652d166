"""Programs that tests start: with the module under test, and what it needs to run under a sanitizer, and nothing else."""

import os
import pathlib

import anear

PACKAGE = pathlib.Path(anear.__file__).parent.parent
ENVIRONMENT = {
    "PYTHONPATH": str(PACKAGE),
    "PATH": "/usr/bin:/bin",
    **{name: os.environ[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS") if name in os.environ},
}
