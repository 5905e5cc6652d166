"""A collection: records under keys, found by vectors and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np

from . import _core
from ._checks import each, number, text, whole
from ._core import BatchHits, Hits, Record
from ._erase import EraseReceipt, milliseconds, receipt_of
from ._errors import ForkedError, InvalidArgumentError
from ._schema import Schema, schema_of

if TYPE_CHECKING:
    from ._store import Store

Rows = Any
"""A matrix with one row a key (numpy float32 or float16: read in place; anything else numpy can make numbers of: converted to
float32 once), or a list of rows in which None leaves a record without a vector."""

Progress = Union[Callable[[int, int], Union[bool, None]], None]
Payload = Union[str, bytes, None]
Chosen = Union[bool, Iterable[str]]
"""True: all fields. False: none. Or their names; one that is not declared is refused, unless the collection is dynamic."""


class Collection:
    """Records under keys. Made by Store.create_collection() and Store.collection().

    Any thread may call anything at any time; calls release the GIL.
    """

    __slots__ = ("_core", "_store", "__weakref__")

    def __init__(self, store: Store, core: _core.Collection) -> None:
        self._store = store  # A store is closed when nothing refers to it any more.
        self._core = core

    def __repr__(self) -> str:
        try:
            return f"<anear.Collection {self.name!r}: {len(self)} records>"
        except ForkedError:
            return f"<anear.Collection {self.name!r}, opened before a fork>"
        except Exception:
            return f"<anear.Collection {self.name!r}, not readable>"

    def __len__(self) -> int:
        return self._core.count(None, None)

    def __bool__(self) -> bool:
        """True, also when it is empty: `if docs:` asks whether there is a collection."""
        return True

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._core.get((key,), _NOTHING)[0] is not None

    @property
    def name(self) -> str:
        return self._core.name()

    @property
    def store(self) -> Store:
        """The store it belongs to."""
        return self._store

    @property
    def schema(self) -> Schema:
        """What it was created with.

        docs.schema.vectors["embedding"].dimension
        """
        return schema_of(*self._core.describe())

    def upsert(
        self,
        keys: str | Iterable[str],
        vectors: Rows | Mapping[str, Rows] = None,
        fields: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
        payloads: Payload | Iterable[Payload] = None,
        *,
        expected: int | Sequence[int] | None = None,
    ) -> int:
        """Writes whole records: new keys are added, existing ones replaced with all they had.

        All or nothing: one bad record refuses the batch, and the exception's `record` says which. Returns the sequence of
        the commit; every search that starts afterwards sees it.

            docs.upsert(
                ["vim", "nano"],
                vectors={"embedding": matrix},           # or the matrix alone, if there is one named vector
                fields={"section": ["editors", "editors"], "installed_size": [3_600, None]},
                payloads=["Vi IMproved", b"\\x00 bytes"],
            )
            docs.upsert("ed", vector, fields={"section": "editors"})     # one record

        `fields`: a dict of lists, one value a key, or a list of dicts. Values: bool, int, float, str, aware datetimes, lists
        of one of these; dicts become JSON; None is null; anear.MISSING leaves the field out. `expected`: the sequence that
        each record was read at (0: it must not exist); ConflictError if another one is there.
        """
        return self._core.upsert(*_batch(keys, vectors, fields, payloads, expected))

    def update(
        self,
        keys: str | Iterable[str],
        vectors: Rows | Mapping[str, Rows] = None,
        fields: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
        payloads: Payload | Iterable[Payload] = None,
        *,
        expected: int | Sequence[int] | None = None,
    ) -> int:
        """Merges into records that exist: what is given is replaced, the rest stays. Arguments as in upsert().

        None writes null, anear.MISSING leaves a field as it is. NotFoundError names the first key that is not there; nothing
        is changed then.

            docs.update(["vim"], fields={"installed_size": [3_700]})
            docs.update("vim", fields={"section": "editors"})
        """
        return self._core.update(*_batch(keys, vectors, fields, payloads, expected))

    def delete(
        self,
        keys: str | Iterable[str] | None = None,
        *,
        filter: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> int:
        """Deletes by key (keys that are not there are no error) or by filter. Returns how many records were deleted.

        docs.delete(["vim", "nano"])
        docs.delete(filter="expires_at < $now", params={"now": datetime.now(timezone.utc)})
        """
        return self._core.delete([keys] if isinstance(keys, str) else keys, filter, _dict(params))

    def erase(
        self,
        keys: str | Iterable[str] | None = None,
        *,
        filter: str | None = None,
        params: Mapping[str, Any] | None = None,
        wait: float = 10.0,
        remove_lost_copies: bool = False,
        progress: Progress = None,
    ) -> EraseReceipt:
        """Deletes by key or by filter, and removes the bytes of these records, of their earlier versions, and of all that the
        collection had removed or replaced before, from every file of the store.

            receipt = docs.erase(filter="user = $u", params={"u": "alice"})
            for what in receipt.outstanding: print("still to be seen to:", what)      # backups of before

        Keys that are not there (any more) are no error. The records are gone for every search from the first, durable commit
        on. Slow: builds indexes anew where they hold dead rows, and writes all tables of the store anew, beside searches and
        writes. What fails or is cut short after that commit is unfinished (stats()["erasing"]) until the next erase(),
        Store.resume_erase(), or the next opening for writing, which finishes it in the background (but not with
        index_inline). SnapshotExpiredError: pinned handles, running calls or a backup held earlier states for longer than
        `wait` seconds; let go of them and call Store.resume_erase(). `remove_lost_copies`: remove what recover() and repair()
        kept aside, too. `progress(done, total)`, in steps: False stops (CancelledError).

        Not reached: backups (the receipt names those that the store knows of), processes that read the store and have not
        refreshed since, copies made by others, what a disk keeps of freed blocks.
        """
        return receipt_of(
            self._core.erase(
                [keys] if isinstance(keys, str) else keys,
                filter,
                _dict(params),
                milliseconds(wait, "wait"),
                bool(remove_lost_copies),
                progress,
            )
        )

    # A string is an iterable of strings too; the first signature is the one that counts for it.
    @overload
    def get(  # type: ignore[overload-overlap]
        self, keys: str, *, fields: Chosen = True, with_payload: bool = True, with_vectors: bool = False
    ) -> Record | None: ...
    @overload
    def get(
        self, keys: Iterable[str], *, fields: Chosen = True, with_payload: bool = True, with_vectors: bool = False
    ) -> list[Record | None]: ...
    def get(
        self, keys: str | Iterable[str], *, fields: Chosen = True, with_payload: bool = True, with_vectors: bool = False
    ) -> Record | list[Record | None] | None:
        """The records of `keys` in their order, None where there is none; of one key, that record or None.

        docs.get("vim").fields["section"]
        docs.get(["vim", "nano"], with_vectors=True)
        """
        parts = _core.Parts(fields, bool(with_payload), bool(with_vectors))
        if isinstance(keys, str):
            return self._core.get((keys,), parts)[0]
        return self._core.get(keys, parts)

    def pinned(self) -> Collection:
        """A handle that stays at the state of this moment: everything read through it, page after page, is of that one
        state, whatever is written or refreshed meanwhile. Writes through it raise ReadOnlyError. Let go of it soon: until
        then space that was freed since is not used again. After `pinned_seconds_max` (see open()) the store may take it back:
        SnapshotExpiredError.

            for record in docs.pinned().scan(): print(record.key)
        """
        return Collection(self._store, self._core.pinned())

    def scan(
        self,
        filter: str | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        fields: Chosen = True,
        with_payload: bool = True,
        with_vectors: bool = False,
        page: int = 1000,
    ) -> Iterator[Record]:
        """All records (that match) in ascending order of key, read `page` at a time; each page shows the newest state (see pinned()).
        The call itself reads the first page, so that it raises what is wrong with its arguments.

        for record in docs.scan(filter="section = $s", params={"s": "editors"}): print(record.key)
        """
        parts = _core.Parts(fields, bool(with_payload), bool(with_vectors))
        size = max(1, whole(page, "page"))
        chosen = _dict(params)

        def from_page(page: list[Record]) -> Iterator[Record]:
            yield from page
            while len(page) == size:
                page = self._core.scan_page(filter, chosen, page[-1].key, size, parts)
                yield from page

        return from_page(self._core.scan_page(filter, chosen, "", size, parts))

    def count(self, filter: str | None = None, params: Mapping[str, Any] | None = None) -> int:
        """How many records there are, or match.

        docs.count("installed_size between 100 and 400")
        """
        return self._core.count(filter, _dict(params))

    def search(
        self,
        query: Any = None,
        k: int = 10,
        *,
        key: str | None = None,
        vector: str = "",
        filter: str | None = None,
        params: Mapping[str, Any] | None = None,
        recall: float = 0.95,
        effort: int = 0,
        fields: Chosen = True,
        with_payload: bool = True,
        with_vectors: bool = False,
        explain: bool = False,
    ) -> Hits:
        """The `k` records (that match `filter`) nearest to a vector, nearest first; fewer only when fewer match.

            for hit in docs.search(query, k=10, filter="section = $s and installed_size < 400", params={"s": "python"}):
                print(hit.key, hit.distance, hit.fields)
            docs.search(key="vim", k=10)            # more like this record, which itself is not returned

        `recall`: the share of the true nearest that is to be found, also under filters; 1 is exact. `effort` overrides it
        (ef of a graph, probes of lists). `vector`: which named vector, when there are several. `explain`: `hits.explain`
        then says how the answer was made.
        """
        if (query is None) == (key is None):
            raise InvalidArgumentError("search: pass either a query vector or key=")
        if isinstance(query, (str, bytes)):
            raise InvalidArgumentError(
                f"query: expected a vector of numbers, got {query!r}; for what is near to a record use key=", subcode=4
            )
        return self._core.search(
            query,
            whole(k, "k"),
            None if key is None else text(key, "key"),
            text(vector, "vector"),
            filter,
            _dict(params),
            (number(recall, "recall"), whole(effort, "effort")),
            _core.Parts(fields, bool(with_payload), bool(with_vectors)),
            bool(explain),
        )

    def search_batch(
        self,
        queries: Rows,
        k: int = 10,
        *,
        threads: int = 1,
        vector: str = "",
        filter: str | None = None,
        params: Mapping[str, Any] | None = None,
        recall: float = 0.95,
        effort: int = 0,
    ) -> BatchHits:
        """search() for each row of a matrix, all of one state of the collection; keys and distances only.

            many = docs.search_batch(queries, k=10, threads=2)
            many.keys[0], many.distances[0]         # one row a query

        `threads` 0: all of the machine.
        """
        return self._core.search_batch(
            queries,
            whole(k, "k"),
            whole(threads, "threads"),
            text(vector, "vector"),
            filter,
            _dict(params),
            (number(recall, "recall"), whole(effort, "effort")),
        )

    def flush(self) -> None:
        """Returns when all that was written is in the index, an image of it is on disk and everything is synced."""
        self._core.flush()

    def stats(self) -> dict[str, Any]:
        """What it knows of itself: records, tail_records (written, not yet in the index: scanned), memory_bytes,
        image_bytes, stalls (writes that waited for the indexer), erasing (the commit of an erase that is not finished, or 0),
        damaged_files (of its own and of those all collections share, see Store.scrub_stats()), degraded and its reason,
        sequences.

        docs.stats()["tail_records"]
        """
        return self._core.stats()


_NOTHING = _core.Parts(False, False, False)


def _dict(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(params) if isinstance(params, Mapping) else params


def _batch(keys: Any, vectors: Any, fields: Any, payloads: Any, expected: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The arguments of a write as lists, one entry a key; a key alone is a batch of one."""
    if not isinstance(keys, str):
        if isinstance(vectors, Mapping) and not isinstance(vectors, dict):
            vectors = dict(vectors)
        return keys, vectors, _dicts(fields), payloads, _sequences(expected)
    if isinstance(vectors, Mapping):
        vectors = {name: _one_row(row) for name, row in vectors.items()}
    elif vectors is not None:
        vectors = _one_row(vectors)
    if fields is not None and not isinstance(fields, Mapping):
        raise InvalidArgumentError(
            f"fields: expected a dict of values for one key, got {type(fields).__name__}", subcode=4
        )
    return (
        [keys],
        vectors,
        None if fields is None else [dict(fields)],
        None if payloads is None else [payloads],
        _sequences(None if expected is None else [expected]),
    )


def _dicts(fields: Any) -> Any:
    """Other mappings as dicts: columns by name, or one mapping a record."""
    if isinstance(fields, Mapping):
        return dict(fields)
    if isinstance(fields, Iterable) and not isinstance(fields, (str, bytes)):
        return [dict(record) if isinstance(record, Mapping) else record for record in fields]
    return fields


def _one_row(row: Any) -> Any:
    """A vector as a matrix of one row; the memory stays where it is."""
    if row is None:
        return [None]
    if isinstance(row, np.ndarray):
        return row[np.newaxis] if row.ndim == 1 else row
    return row


def _sequences(expected: Any) -> list[int] | None:
    if expected is None:
        return None
    return [whole(sequence, "expected", 2**64 - 1) for sequence in each(expected, "expected")]
