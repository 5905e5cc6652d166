"""anear: approximate nearest neighbours, embedded in the process.

    import anear

    index = anear.HnswIndex(384, metric="cosine")
    index.add(matrix)                              # keys are row numbers
    found = index.search(queries, 10, recall=0.95)
    found.keys, found.distances                    # one row a query

Every function may be called from any thread; long ones release the GIL.
"""

from __future__ import annotations

import os
from typing import Any

from . import _core
from ._core import FlatIndex, HnswIndex, IndexHits
from ._errors import (
    AlreadyExistsError,
    CancelledError,
    ClosedError,
    ConflictError,
    CorruptionError,
    Error,
    FilterError,
    ForkedError,
    InternalError,
    InvalidArgumentError,
    IoError,
    LimitExceededError,
    LockedError,
    LostWritesError,
    NoSpaceError,
    NotFoundError,
    OutcomeUnknownError,
    OutOfMemoryError,
    ReadOnlyError,
    SnapshotExpiredError,
    UnsupportedFormatError,
)

__version__: str = _core.version


def isa() -> str:
    """The instruction set that the distance kernels use: "v2", "avx2", "avx512" or "neon" (ANEAR_ISA lowers it)."""
    return _core.isa()


class _Load:
    """`Index.load(path)` makes an index from a file; `index.load(path)` replaces what the index holds."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return lambda path: owner._load(os.fspath(path))
        return lambda path: instance._replace(os.fspath(path))


for _index in (FlatIndex, HnswIndex):
    _index.load = _Load()  # type: ignore[assignment, method-assign]
del _index

__all__ = [name for name in dir() if not name.startswith("_") and name not in ("annotations", "os", "Any")]
