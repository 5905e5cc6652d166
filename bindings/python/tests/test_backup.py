"""Backups from Python: taken beside a writer, listed, restored, checked, pruned."""

from __future__ import annotations

import pathlib
import threading
from datetime import datetime, timedelta, timezone

import anear
import numpy as np
import pytest

ROWS = np.random.default_rng(5).normal(size=(600, 16)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    with anear.open(tmp_path / "store") as opened:
        opened.create_collection("docs", vectors=anear.Vector(16), fields={"size": anear.Int64()})
        yield opened


def fill(store: anear.Store, first: int, count: int) -> int:
    keys = [f"k{i:04}" for i in range(first, first + count)]
    return store["docs"].upsert(keys, ROWS[first : first + count], fields={"size": list(range(first, first + count))})


def assert_holds(path: pathlib.Path, count: int) -> None:
    with anear.open(path, create=False) as opened:
        docs = opened["docs"]
        assert len(docs) == count
        for i in range(0, count, 37):
            assert docs.search(ROWS[i], k=1)[0].key == f"k{i:04}"
        opened.verify()


def test_a_backup_is_restored_at_its_sequence(store, tmp_path):
    first = fill(store, 0, 300)
    store.flush()
    taken = store.backup(tmp_path / "backups", hard_links=False)
    assert taken["number"] == 1 and taken["sequence"] == first
    assert taken["bytes_copied"] == taken["bytes"] and taken["bytes_shared"] == taken["bytes_linked"] == 0
    second = fill(store, 300, 300)
    again = store.backup(tmp_path / "backups")
    assert again["number"] == 2 and again["sequence"] == second
    assert again["bytes_shared"] > 0

    restored = anear.restore(tmp_path / "backups", tmp_path / "newest")
    assert restored == {"number": 2, "sequence": second, "files": again["files"], "bytes": again["bytes"]}
    assert_holds(tmp_path / "newest", 600)
    assert anear.restore(tmp_path / "backups", tmp_path / "older", first)["number"] == 1
    assert_holds(tmp_path / "older", 300)
    anear.restore(tmp_path / "backups", tmp_path / "chosen", number=1)
    assert_holds(tmp_path / "chosen", 300)
    with pytest.raises(anear.AlreadyExistsError):
        anear.restore(tmp_path / "backups", tmp_path / "older")
    with anear.open(tmp_path / "older") as older:
        assert fill(older, 300, 10) == first + 1


def test_backups_are_listed_verified_and_pruned(store, tmp_path):
    directory = tmp_path / "backups"
    with pytest.raises(anear.NotFoundError):
        anear.backups(directory)
    sequences = []
    for i in range(4):
        sequences.append(fill(store, 100 * i, 100))
        store.backup(str(directory))
    listed = anear.backups(directory)
    assert [each["number"] for each in listed] == [1, 2, 3, 4]
    assert [each["sequence"] for each in listed] == sequences
    assert all(each["damage"] is None and each["files"] > 0 and each["bytes"] > 0 for each in listed)
    assert abs(listed[-1]["created"] - datetime.now(timezone.utc)) < timedelta(minutes=10)
    assert anear.verify_backup(directory, sequences[1])["number"] == 2
    assert anear.verify_backup(directory, number=3)["sequence"] == sequences[2]
    assert anear.prune_backups(directory, keep=2)["backups_removed"] == 2
    assert [each["number"] for each in anear.backups(directory)] == [3, 4]
    with pytest.raises(anear.NotFoundError, match="3 at sequence"):
        anear.restore(directory, tmp_path / "none", sequences[0])
    (directory / "backups" / "4.backup").write_bytes(b"not a manifest")
    assert "4.backup" in anear.backups(directory)[1]["damage"]
    with pytest.raises(anear.CorruptionError):
        anear.verify_backup(directory)
    assert anear.verify_backup(directory, number=3)["number"] == 3


def test_a_damaged_backup_is_not_restored(store, tmp_path):
    fill(store, 0, 300)
    store.flush()
    store.backup(tmp_path / "backups", hard_links=False)
    largest = max((tmp_path / "backups" / "files").iterdir(), key=lambda file: file.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    largest.write_bytes(damaged)
    with pytest.raises(anear.CorruptionError, match=largest.name):
        anear.restore(tmp_path / "backups", tmp_path / "target")
    with pytest.raises(anear.NotFoundError):
        anear.open(tmp_path / "target", create=False)


def test_a_backup_runs_beside_a_writer(store, tmp_path):
    fill(store, 0, 100)
    stop = threading.Event()
    failures = []

    def write():
        first = 100
        while not stop.is_set() and first < 600:
            try:
                fill(store, first, 10)
            except anear.Error as error:
                failures.append(error)
                return
            first += 10

    writer = threading.Thread(target=write)
    writer.start()
    taken = [store.backup(tmp_path / "backups") for _ in range(3)]
    stop.set()
    writer.join()
    assert not failures
    for each in taken:
        target = tmp_path / f"restored{each['number']}"
        anear.restore(tmp_path / "backups", target, number=each["number"])
        # Commit 1 made the collection, commit 2 wrote 100 records, each later one 10.
        assert_holds(target, 100 + 10 * (each["sequence"] - 2))


def test_progress_is_told_and_stops(store, tmp_path):
    fill(store, 0, 300)
    told = []
    taken = store.backup(tmp_path / "backups", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (taken["bytes"], taken["bytes"]) and sorted(told) == told
    with pytest.raises(anear.CancelledError):
        store.backup(tmp_path / "others", progress=lambda done, total: False)
    assert anear.backups(tmp_path / "others") == []
    with pytest.raises(anear.CancelledError):
        anear.restore(tmp_path / "backups", tmp_path / "target", progress=lambda done, total: False)

    def fails(done: int, total: int) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        anear.verify_backup(tmp_path / "backups", progress=fails)
    with pytest.raises(anear.NotFoundError):
        anear.open(tmp_path / "target", create=False)


def test_what_does_harm_is_refused(store, tmp_path):
    with pytest.raises(anear.InvalidArgumentError):
        store.backup(tmp_path / "store" / "backups")
    with pytest.raises(anear.InvalidArgumentError):
        store.backup(tmp_path)
    store.backup(tmp_path / "backups")
    with pytest.raises(anear.InvalidArgumentError, match="at least one"):
        anear.prune_backups(tmp_path / "backups", keep=0)
    for wrong in (0, -1, 1.5, "1"):
        with pytest.raises(anear.InvalidArgumentError):
            anear.restore(tmp_path / "backups", tmp_path / "x", wrong)
    with pytest.raises(anear.InvalidArgumentError):
        store.backup(3)  # type: ignore[arg-type]
    with anear.open(tmp_path / "other") as other, pytest.raises(anear.UnsupportedFormatError):
        other.backup(tmp_path / "backups")
    with anear.open(tmp_path / "store", read_only=True) as reader, pytest.raises(anear.ReadOnlyError):
        reader.backup(tmp_path / "backups")
    with anear.open("memory", in_memory=True) as memory, pytest.raises(anear.InvalidArgumentError):
        memory.backup(tmp_path / "x")
