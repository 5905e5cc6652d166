"""Stores: directories of collections."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from . import _core
from ._checks import text, whole
from ._checks import path as path_of
from ._collection import Collection
from ._errors import Error, ForkedError
from ._schema import FieldType, Vector, describe_fields, describe_vectors


class Store:
    """One directory of collections, opened by anear.open(). Use it as a context manager, or call close()."""

    def __init__(self, core: _core.Store) -> None:
        self._core = core
        self._process = os.getpid()
        self._closed = False
        _open_stores.add(self)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except Error:
            if kind is None:  # Otherwise what went wrong in the block says more.
                raise

    def __repr__(self) -> str:
        try:
            return f"<anear.Store {self.path!r}: {', '.join(self.collections()) or 'no collections'}>"
        except ForkedError:
            return f"<anear.Store {self.path!r}, opened before a fork>"
        except Error:
            return f"<anear.Store {self.path!r}, closed>"

    def __getitem__(self, name: str) -> Collection:
        """store["docs"] is store.collection("docs")."""
        return self.collection(name)

    def __contains__(self, name: object) -> bool:
        return name in self.collections()

    def __iter__(self) -> Iterator[str]:
        return iter(self.collections())

    @property
    def path(self) -> str:
        """The directory."""
        return self._core.path()

    @property
    def recovery(self) -> dict[str, Any]:
        """What opening found: recovered_sequence (the last commit that is there), marked_sequence (the last one known to
        have been synced), clean (whether it had been closed properly), tail_records (scanned until they are indexed again).

        if not store.recovery["clean"]: print("the last process was killed; nothing acknowledged is lost")
        """
        return self._core.recovery()

    def create_collection(
        self,
        name: str,
        vectors: Vector | Mapping[str, Vector] | None = None,
        fields: Mapping[str, FieldType | type[FieldType]] | None = None,
        dynamic: bool = False,
        *,
        exist_ok: bool = False,
    ) -> Collection:
        """Makes a collection.

            docs = store.create_collection(
                "docs",
                vectors={"embedding": anear.Vector(384, metric="cosine", index=anear.Hnsw())},
                fields={"section": anear.String(), "installed_size": anear.Int64(), "tags": anear.StringList()},
                dynamic=True,
            )

        `vectors`: a dict, or one Vector, which is then named "vector". `dynamic`: accept undeclared fields too, each with
        the type its value has. `exist_ok`: return the collection of that name, as it is, when there is one; otherwise that
        is AlreadyExistsError.
        """
        if exist_ok and name in self:
            return self.collection(name)
        described = describe_vectors(vectors), describe_fields(fields)
        return Collection(self, self._core.create_collection(text(name, "name"), *described, bool(dynamic)))

    def collection(self, name: str) -> Collection:
        """The collection of that name; NotFoundError says which there are."""
        return Collection(self, self._core.collection(text(name, "name")))

    def collections(self) -> list[str]:
        """The names of all collections."""
        return self._core.collections()

    def drop_collection(self, name: str) -> None:
        """Deletes a collection with all of its records. Calls to handles of it raise NotFoundError from then on."""
        self._core.drop_collection(text(name, "name"))

    def flush(self) -> None:
        """Returns when everything that was written is indexed, saved and synced."""
        self._core.flush()

    def verify(self) -> dict[str, int]:
        """Reads everything back and checks it; raises CorruptionError on damage. Returns how many collections, records,
        rows and images were looked at. Slow: it reads all bytes."""
        return self._core.verify()

    def close(self) -> None:
        """Waits for calls in progress, syncs, lets other processes in. Closing twice is fine; other calls then raise
        ClosedError."""
        self._core.close()
        self._closed = True


def open(
    path: str | os.PathLike[str],
    *,
    create: bool = True,
    read_only: bool = False,
    durability: str = "durable",
    in_memory: bool = False,
    tail_records_max: int = 32_768,
    index_inline: bool = False,
) -> Store:
    """Opens the store in directory `path`, or makes one.

        with anear.open("context.anear") as store:
            docs = store.collection("docs")

    `create`: make it when it is not there, otherwise NotFoundError. `durability`: "durable" (each write is synced to the disk
    before it returns) or "buffered" (handed to the kernel, synced within a second: survives a killed process, not a power
    cut). One process may hold a store for writing: a second one gets LockedError with the holder's pid. `read_only`: takes no
    lock, changes nothing and sees the store as it was when it was opened; beside a writer, reads raise SnapshotExpiredError
    once the writer has replaced files that they need: open again. `in_memory`: nothing is written; `path` is only a name. `tail_records_max`: how many records
    may wait for the indexer before writers wait too; a sixteenth of that, but 1,024 or more, while somebody searches. `index_inline`: index within each write instead of in the background.

    Raises UnsupportedFormatError for a directory that is no store or one of a newer anear (nothing in it is touched),
    LostWritesError when less is there than had been acknowledged, CorruptionError for damage.
    """
    options = {
        "create": bool(create),
        "read_only": bool(read_only),
        "durability": text(durability, "durability"),
        "in_memory": bool(in_memory),
        "tail_records_max": whole(tail_records_max, "tail_records_max"),
        "index_inline": bool(index_inline),
    }
    return Store(_core.Store(path_of(path), options))


_open_stores: weakref.WeakSet[Store] = weakref.WeakSet()


@atexit.register
def _close_stores() -> None:
    """A program that ends without close() still leaves its stores closed."""
    for store in list(_open_stores):
        if store._process == os.getpid() and not store._closed:
            try:
                store.close()
            except Error:
                pass  # Nobody is left to hear of it; the next open reports what was found.
