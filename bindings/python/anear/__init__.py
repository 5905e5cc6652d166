"""anear: an embeddable vector store, SQLite for the context of agents.

    import anear

    with anear.open("context.anear") as store:
        docs = store.create_collection(
            "docs",
            vectors={"embedding": anear.Vector(384, metric="cosine")},
            fields={"section": anear.String(), "installed_size": anear.Int64()},
        )
        docs.upsert(keys, vectors={"embedding": matrix}, fields={"section": sections, "installed_size": sizes})
        for hit in docs.search(query, k=10, filter="section = $s and installed_size < 400", params={"s": "python"}):
            print(hit.key, hit.distance, hit.fields)

The indexes alone, in memory, with row numbers as keys:

    index = anear.HnswIndex(384, metric="cosine")
    index.add(matrix)
    found = index.search(queries, 10, recall=0.95)
    found.keys, found.distances                    # one row a query

Every function may be called from any thread; long ones release the GIL. Every exception is an anear.Error (but TypeError where
a call has no such argument) with a class, `code` and `subcode` for its cause, and `record` or `position` where one record of a
batch or one place in a filter is to blame. An argument that is negative, a float for an int, or of another wrong type is an
InvalidArgumentError. A handle from before a fork raises ForkedError in the child: open the store there.
"""

from __future__ import annotations

from collections.abc import Sequence as _Sequence
from typing import Any

from . import _core
from ._checks import path as _path_of
from ._collection import Collection
from ._core import BatchHits, FlatIndex, Hit, Hits, HnswIndex, IndexHits, IvfPqIndex, Record
from ._erase import EraseReceipt
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
from ._schema import (
    MISSING,
    Bool,
    BoolList,
    FieldType,
    Flat,
    Float64,
    Float64List,
    Hnsw,
    Int64,
    Int64List,
    IvfPq,
    Json,
    Schema,
    String,
    StringList,
    Timestamp,
    TimestampList,
    Vector,
)
from ._store import Store, backups, open, prune_backups, recover, repair, restore, verify_backup

__version__: str = _core.version


def isa() -> str:
    """The instruction set that the distance kernels use: "v2", "avx2", "avx512" or "neon" (ANEAR_ISA names another one)."""
    return _core.isa()


class _Load:
    """`Index.load(path)` makes an index from a file; `index.load(path)` replaces what the index holds."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return lambda path: owner._load(_path_of(path))
        return lambda path: instance._replace(_path_of(path))


for _index in (FlatIndex, HnswIndex, IvfPqIndex):
    _index.load = _Load()  # type: ignore[assignment, method-assign]
del _index

_Sequence.register(Hits)

__all__ = [
    "AlreadyExistsError",
    "BatchHits",
    "Bool",
    "BoolList",
    "CancelledError",
    "ClosedError",
    "Collection",
    "ConflictError",
    "CorruptionError",
    "EraseReceipt",
    "Error",
    "FieldType",
    "FilterError",
    "Flat",
    "FlatIndex",
    "Float64",
    "Float64List",
    "ForkedError",
    "Hit",
    "Hits",
    "Hnsw",
    "HnswIndex",
    "IndexHits",
    "Int64",
    "Int64List",
    "InternalError",
    "InvalidArgumentError",
    "IoError",
    "IvfPq",
    "IvfPqIndex",
    "Json",
    "LimitExceededError",
    "LockedError",
    "LostWritesError",
    "MISSING",
    "NoSpaceError",
    "NotFoundError",
    "OutOfMemoryError",
    "OutcomeUnknownError",
    "ReadOnlyError",
    "Record",
    "Schema",
    "SnapshotExpiredError",
    "Store",
    "String",
    "StringList",
    "Timestamp",
    "TimestampList",
    "UnsupportedFormatError",
    "Vector",
    "backups",
    "isa",
    "open",
    "prune_backups",
    "recover",
    "repair",
    "restore",
    "verify_backup",
]
