"""Stores: directories of collections."""

from __future__ import annotations

import atexit
import math
import os
import weakref
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from . import _core
from ._checks import number, text, whole
from ._checks import path as path_of
from ._collection import Collection, Progress
from ._erase import EraseReceipt, milliseconds, receipt_of
from ._errors import Error, ForkedError, InvalidArgumentError
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
        have been synced), clean (whether it had been closed properly), tail_records (scanned until they are indexed again),
        unfinished_erasures (see resume_erase()), warnings (lines of the database, such as of a log whose end a kill has torn).

        if not store.recovery["clean"]: print("the last process was killed; nothing acknowledged is lost")
        """
        return self._core.recovery()

    def state(self) -> dict[str, Any]:
        """Which writes are taken now, what of the disk is free, what the store takes of memory and has written.

            state = store.state()
            if state["writes"] != "all": print(state["reason"])

        writes: "all"; "full" (deletes and erasures alone, while less than reserved_bytes of the disk is free, or memory_bytes_max
        is reached); "stopped" (after a failure of the disk: see resume()); "read_only" (it was opened so). reason: why not
        all; "" otherwise. free_bytes, reserved_bytes: of the disk. memory_bytes: of indexes, tails and keys, mapped files
        included, of kept filters, and of the database. written_bytes: since the opening, by what for: "log" and "tables" of
        records, "rows", "images" of indexes, "other"; zeros in memory and read-only.
        """
        return self._core.state()

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

    def refresh(self) -> int:
        """Brings a store that was opened read-only to what its writer has committed by now, all collections at once, and
        returns the sequence it is at (of a store that writes: its last commit). Calls in progress go on in the state they
        began in. Collections that were made or dropped meanwhile appear and disappear.

            reader = anear.open("context.anear", read_only=True)
            reader.refresh()

        On failure the store stays as it was: SnapshotExpiredError when the writer replaced files faster than they could be
        opened (call again), LostWritesError when less is there than had been seen, or the store was put back, recovered or
        replaced: open it again.
        """
        return self._core.refresh()

    def flush(self) -> None:
        """Returns when everything that was written is indexed, saved and synced."""
        self._core.flush()

    def verify(
        self, level: str = "full", *, bytes_per_second: int | None = None, progress: Progress = None
    ) -> dict[str, int]:
        """Reads the store back and checks it; raises CorruptionError on damage. Slow: it reads all bytes.

            store.verify()
            store.verify("checksums", bytes_per_second=20_000_000)

        `level`: "checksums" (every byte of files against its checksum), "records" (and records, keys and fields against each
        other) or "full" (and rows, codes and links). `bytes_per_second`: of files, at most; None is no limit.
        `progress(done, total)`, files in bytes: False stops (CancelledError).

        Returns what was looked at: files, images (of these), bytes; collections, records, containers (of fields' values);
        rows. What is above the level is 0.
        """
        rate = 0 if bytes_per_second is None else whole(bytes_per_second, "bytes_per_second")
        if bytes_per_second is not None and rate == 0:
            raise InvalidArgumentError("bytes_per_second: expected an integer of at least 1, or None, got 0")
        return self._core.verify(text(level, "level"), rate, progress)

    def scrub_stats(self) -> dict[str, Any]:
        """What the scrub (see anear.open()) and verify() read and found since the store was opened.

            for each in store.scrub_stats()["damaged"]:
                print(each["file"], each["reason"], each["found"])

        Returns passes (over all files, finished), and of the last one finished (when, None: none yet), files and bytes;
        bytes_so_far (of the scrub's pass that is under way); damaged: the files that did not hold what they should when they
        were last read. One leaves when it is found whole, or is no longer the store's: an index whose image is damaged is
        built again.
        """
        told = self._core.scrub_stats()
        told["finished"] = _EPOCH + timedelta(microseconds=told["finished"]) if told["finished"] else None
        for each in told["damaged"]:
            each["found"] = _EPOCH + timedelta(microseconds=each["found"])
        return told

    def backup(
        self,
        directory: str | os.PathLike[str],
        *,
        hard_links: bool = True,
        progress: Progress = None,
    ) -> dict[str, int]:
        """Takes a backup of the whole store into `directory`, beside searches and writes.

            store.backup("/backups/context")

        It holds the state as of one commit (`sequence`), and is on the disk when the call returns. A directory keeps the
        backups of one store: what an earlier one has is not copied again. It is made when it is missing (its parent must
        exist). `hard_links`: link files that never change to the store's own where both are on one file system; such a backup
        is no help against a disk that loses blocks, False copies everything. `progress(done, total)`, in bytes: False stops
        (CancelledError).

        Returns number (of the backup), sequence, files, bytes (of the store), bytes_copied, bytes_linked, bytes_shared
        (there already) and images_left_out (damaged indexes, built again after a restore).
        """
        return self._core.backup(path_of(directory), bool(hard_links), progress)

    def resume(self) -> None:
        """Has a store that stopped after a failure of the disk (state()["writes"] is "stopped") take writes again, without
        closing it: its files are opened anew and compared with what was acknowledged, and writes whose outcome was unknown are
        there or not from then on. See to the cause first. Searches go on meanwhile. Where the disk was full, the next write
        does this by itself. Does nothing for a store that takes writes.

        On failure the store stays stopped and it can be called again: LostWritesError when a commit that was acknowledged or
        seen is not there; ReadOnlyError for a store that was opened so, or while an erase, a backup, verify() or long indexing
        is under way.
        """
        self._core.resume()

    def resume_erase(
        self, *, wait: float = 10.0, remove_lost_copies: bool = False, progress: Progress = None
    ) -> list[EraseReceipt]:
        """Finishes the erasures that failed, were cancelled or were cut short, with a receipt for each; arguments as of
        Collection.erase()."""
        told = self._core.resume_erase(milliseconds(wait, "wait"), bool(remove_lost_copies), progress)
        return [receipt_of(each) for each in told]

    def close(self) -> None:
        """Waits for calls in progress, syncs, lets other processes in. Closing twice is fine; other calls then raise
        ClosedError."""
        self._core.close()
        self._closed = True


def _whole_or_none(number: int | None, name: str) -> int | None:
    return None if number is None else whole(number, name)


def open(
    path: str | os.PathLike[str],
    *,
    create: bool = True,
    read_only: bool = False,
    follow: float = 0.0,
    durability: str = "durable",
    in_memory: bool = False,
    tail_records_max: int = 32_768,
    index_inline: bool = False,
    scrub_bytes_per_second: int = 0,
    scrub_every: float = 7 * 24 * 3600.0,
    copy_files: bool = False,
    reserved_bytes: int | None = None,
    memory_bytes_max: int = 0,
    background_threads: int = 0,
    background_bytes_per_second: int = 0,
    pinned_seconds_max: float = 3600.0,
    checked_at_open_bytes: int | None = 256 << 20,
) -> Store:
    """Opens the store in directory `path`, or makes one: `with anear.open("context.anear") as store: ...`

    `create`: make it when it is not there, otherwise NotFoundError. `durability`: "durable" (each write is synced to the disk
    before it returns) or "buffered" (handed to the kernel, synced within a second: survives a killed process, not a power
    cut). One process may hold a store for writing: a second one gets LockedError with the holder's pid. `read_only`: takes no
    lock, changes nothing and sees the store as it was when it was opened, or at the last refresh(); `follow`: seconds after
    which a thread of the store refreshes it again and again, 0 for never. `in_memory`: nothing is written; `path` is only a
    name. `tail_records_max`: how many records may wait for the indexer before writers wait too; a sixteenth of that, but 1,024
    or more, while somebody searches. `index_inline`: index within each write instead of in the background. `reserved_bytes`: how
    much of the disk is left to deletes and compaction: writes that add raise NoSpaceError while less is free, and are taken
    again once there is more. 0: none; None: 256 MiB (less for small disks and stores) and what compaction of the largest
    collection takes. `memory_bytes_max`: what indexes, tails and keys, files that they map included, and the database may take
    of memory: writes that add raise LimitExceededError before there is more, with room for a copy of the largest index, which
    compaction makes, and are taken again once records were deleted. 0: no bound; else at least 16 MiB.

    `background_threads`: threads that index what waits, while nobody searches and much is waiting (else it is one); 0 for all
    processors. `background_bytes_per_second`: what row files and images are written with at most, all together, so that the disk
    has time for others; 0 for no limit. Commits do not wait for it; but below what writers bring, they wait for the indexer in
    the end, and so do flush(), erase(), verify() and backup(). Opening and closing do not.
    `pinned_seconds_max`: seconds after which a handle of Collection.pinned() may be taken back, 0 for never: what it sees takes
    memory and disk.

    `scrub_bytes_per_second`: a thread of the store reads all of its files against their checksums at no more than this rate, 0
    for never; `scrub_every`: seconds from the end of one pass to the next; Store.scrub_stats() says what was found.
    `copy_files`: copy row files and images to memory; a mapped file that somebody else shrinks in place, which anear never
    does, ends the process. `checked_at_open_bytes`: up to so many bytes of row files of an index are compared with their
    checksums at the opening, None for all; of more, each block is when it is first read: CorruptionError from then on.

    Raises UnsupportedFormatError for a directory that is no store or one of a newer anear (nothing in it is touched),
    LostWritesError when less is there than had been acknowledged (see recover()), CorruptionError for damage.
    """
    options = {
        "create": bool(create),
        "read_only": bool(read_only),
        "follow_every_ms": milliseconds(follow, "follow"),
        "durability": text(durability, "durability"),
        "in_memory": bool(in_memory),
        "tail_records_max": whole(tail_records_max, "tail_records_max"),
        "index_inline": bool(index_inline),
        "scrub_bytes_per_second": whole(scrub_bytes_per_second, "scrub_bytes_per_second"),
        "scrub_every_s": _seconds(scrub_every, "scrub_every"),
        "copy_files": bool(copy_files),
        "reserved_bytes": _whole_or_none(reserved_bytes, "reserved_bytes"),
        "memory_bytes_max": whole(memory_bytes_max, "memory_bytes_max"),
        "background_threads": whole(background_threads, "background_threads", 2**32 - 1),
        "background_bytes_per_second": whole(background_bytes_per_second, "background_bytes_per_second"),
        "pinned_seconds_max": _seconds(pinned_seconds_max, "pinned_seconds_max"),
        "checked_at_open_bytes": _whole_or_none(checked_at_open_bytes, "checked_at_open_bytes"),
    }
    return Store(_core.Store(path_of(path), options))


def recover(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Makes a store usable again that open() refuses with LostWritesError, without the commits it lost.

        report = anear.recover("context.anear")
        print("given up:", report["recovered_sequence"] + 1, "to", report["marked_sequence"], "- kept in", report["copy"])

    The log and the marks are copied into a new directory inside the store's first (`copy`; it holds records, and stays until
    you remove it). Where nothing was lost nothing is changed and `copy` is None. A backup, where there is one, loses less.
    """
    return _core.recover(path_of(path))


def repair(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Makes again what disagrees with the records of the store in `path`, which must not be open: keys, containers of fields,
    indexes, images; saves the rows of damaged row files as far as their records confirm them.

        for collection, vector, key in anear.repair("context.anear")["lost"]: ...   # write these again

    `lost`: each record that is gone (vector None) or has lost a vector. `keys`, `containers`, `indexes`: how many were made
    again. `copy`: the directory inside the store's that keeps damaged row files, or None. Where verify() finds nothing,
    nothing is changed. Slow: reads everything twice or more, and builds indexes.

    Raises CorruptionError where records themselves cannot be read: restore a backup; LostWritesError: recover() comes first.
    """
    return _core.repair(path_of(path))


def backups(directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The backups of a directory, the oldest first: number, sequence, created, files, bytes, and damage: None, or why the
    backup cannot be read (then the rest but `number` is 0)."""
    listed = _core.backups(path_of(directory))
    for backup in listed:
        backup["created"] = _EPOCH + timedelta(microseconds=backup["created"])
        backup["damage"] = backup["damage"] or None
    return listed


def restore(
    directory: str | os.PathLike[str],
    target: str | os.PathLike[str],
    sequence: int | None = None,
    *,
    number: int | None = None,
    progress: Progress = None,
) -> dict[str, int]:
    """Makes a store in `target`, which must not exist or be empty, of a backup in `directory`.

        anear.restore("/backups/context", "context.anear")

    The newest one, or that at exactly `sequence`, or that of `number`. Every byte is compared with its checksum before the
    store becomes visible as the last step: after a failure (CorruptionError names the file) there is none. It is the same
    store as the one that was backed up, at an earlier sequence, with the same id. Do not remove backups meanwhile. Returns
    number, sequence, files and bytes.
    """
    return _core.restore(path_of(directory), path_of(target), *_chosen(sequence, number), progress)


def verify_backup(
    directory: str | os.PathLike[str],
    sequence: int | None = None,
    *,
    number: int | None = None,
    progress: Progress = None,
) -> dict[str, int]:
    """Reads every byte of a backup against its checksum, as restore() does, and writes nothing."""
    return _core.verify_backup(path_of(directory), *_chosen(sequence, number), progress)


def prune_backups(directory: str | os.PathLike[str], *, keep: int) -> dict[str, int]:
    """Removes all backups but the newest `keep` (at least 1; damaged ones do not count), and the files that only they had.
    Returns backups_removed and bytes_freed."""
    return _core.prune_backups(path_of(directory), whole(keep, "keep"))


def _seconds(seconds: float, name: str) -> int:
    given = number(seconds, name)
    if not 0 <= given <= 2**32 - 1:
        raise InvalidArgumentError(f"{name}: expected seconds from 0 to {2**32 - 1}, got {seconds!r}")
    return math.ceil(given)


def _chosen(sequence: int | None, number: int | None) -> tuple[int, int]:
    """0 is "any" to the compiled part."""
    chosen = []
    for name, value in (("sequence", sequence), ("number", number)):
        chosen.append(0 if value is None else whole(value, name))
        if value is not None and chosen[-1] == 0:
            raise InvalidArgumentError(f"{name}: expected an integer of at least 1, or None, got 0")
    return chosen[0], chosen[1]


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
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
