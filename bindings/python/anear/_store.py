"""Stores: directories of collections. Not imported yet: the compiled store is still missing."""

from __future__ import annotations

import os
from typing import Any, Iterator

from . import _core
from ._core import Collection, Record
from ._schema import describe_fields, describe_vectors


class Store:
    """One directory of collections. Use as a context manager, or call close()."""

    def __init__(self, core: _core.Store) -> None:
        self._core = core

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.path!r})"

    def __getitem__(self, name: str) -> Collection:
        return self.collection(name)

    def __contains__(self, name: object) -> bool:
        return name in self.collections()

    @property
    def path(self) -> str:
        return self._core.path()

    @property
    def recovery(self) -> dict[str, Any]:
        """What opening found: recovered_sequence, marked_sequence, clean, tail_records."""
        return self._core.recovery()

    def create_collection(
        self,
        name: str,
        vectors: Any = None,
        fields: Any = None,
        dynamic: bool = False,
        *,
        exist_ok: bool = False,
    ) -> Collection:
        """Makes a collection. `vectors`: name → Vector (or one Vector, then named "vector"); `fields`: name → type;
        `dynamic`: accept undeclared fields too. `exist_ok`: return the existing one of that name as it is."""
        if exist_ok and name in self:
            return self.collection(name)
        return self._core.create_collection(name, describe_vectors(vectors), describe_fields(fields), dynamic)

    def collection(self, name: str) -> Collection:
        return self._core.collection(name)

    def collections(self) -> list[str]:
        return self._core.collections()

    def drop_collection(self, name: str) -> None:
        self._core.drop_collection(name)

    def flush(self) -> None:
        """Returns when everything committed is indexed, saved and synced."""
        self._core.flush()

    def verify(self) -> dict[str, int]:
        """Reads everything back and checks it; raises CorruptionError on damage. Returns what was looked at."""
        return self._core.verify()

    def close(self) -> None:
        self._core.close()


def open(
    path: str | os.PathLike[str],
    *,
    create: bool = True,
    read_only: bool = False,
    durability: str = "durable",
    in_memory: bool = False,
    tail_records_max: int = 8192,
    index_inline: bool = False,
) -> Store:
    """Opens the store in directory `path`, or makes one.

    `durability`: "durable" (each write is synced to the disk before it returns) or "buffered" (handed to the kernel, synced
    within a second: survives a killed process, not a power cut). One process may hold a store for writing: a second one gets
    LockedError with the holder's pid. `read_only`: takes no lock and changes nothing."""
    options = {
        "create": create,
        "read_only": read_only,
        "durability": durability,
        "in_memory": in_memory,
        "tail_records_max": tail_records_max,
        "index_inline": index_inline,
    }
    return Store(_core.Store(os.fspath(path), options))


def _scan(
    self: Collection,
    filter: str | None = None,
    params: dict[str, Any] | None = None,
    *,
    fields: Any = True,
    with_payload: bool = True,
    with_vectors: bool = False,
    page: int = 1000,
) -> Iterator[Record]:
    """All records (that match) in ascending order of key, read `page` at a time."""
    parts = {"fields": fields, "payload": with_payload, "vectors": with_vectors}
    after = ""
    while True:
        records = self._scan_page(filter, params, after, page, parts)
        yield from records
        if len(records) < page:
            return
        after = records[-1].key


Collection.scan = _scan  # type: ignore[method-assign]
