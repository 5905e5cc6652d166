"""Erasing from Python: no byte of what was erased is left in the store's files, and nothing else is lost."""

from __future__ import annotations

import pathlib
from datetime import datetime, timedelta, timezone

import anear
import numpy as np
import pytest

ROWS = np.random.default_rng(6).normal(size=(300, 16)).astype(np.float32)
WORD = "a-word-that-stands-nowhere-else"
KEY = "a-key-of-its-own"


@pytest.fixture
def store(tmp_path):
    with anear.open(tmp_path / "store") as opened:
        docs = opened.create_collection("docs", vectors=anear.Vector(16), fields={"word": anear.String()})
        docs.upsert([f"k{i}" for i in range(200)], ROWS[:200], fields={"word": ["plain"] * 200})
        docs.upsert(KEY, ROWS[250], fields={"word": WORD}, payloads=f"text with {WORD}")
        docs.flush()
        yield opened


def files_with(directory: pathlib.Path, needle: bytes) -> list[str]:
    return [str(path) for path in directory.rglob("*") if path.is_file() and needle in path.read_bytes()]


NEEDLES = (KEY.encode(), WORD.encode(), ROWS[250].tobytes()[:16])


@pytest.mark.parametrize("how", ({"keys": KEY}, {"keys": [KEY]}, {"filter": "word = $w", "params": {"w": WORD}}))
def test_no_byte_of_an_erased_record_is_left(store, tmp_path, how):
    docs = store["docs"]
    for needle in NEEDLES:
        assert files_with(tmp_path / "store", needle)
    steps: list[tuple[int, int]] = []
    receipt = docs.erase(**how, progress=lambda done, total: steps.append((done, total)))
    for needle in NEEDLES:
        assert files_with(tmp_path / "store", needle) == []
    assert isinstance(receipt, anear.EraseReceipt)
    assert receipt.collection == "docs" and receipt.records == 1 and receipt.outstanding == []
    assert timedelta(0) <= receipt.finished - receipt.begun < timedelta(minutes=5)
    assert abs(datetime.now(timezone.utc) - receipt.finished) < timedelta(minutes=5)
    for path, size, checksum in receipt.files:
        assert (tmp_path / "store" / path).stat().st_size == size and ":" in checksum
    assert receipt.removed and not any((tmp_path / "store" / path).exists() for path in receipt.removed)
    assert steps and all(0 <= done <= total for done, total in steps)
    assert len(docs) == 200 and KEY not in docs
    assert docs.search(ROWS[7], k=1)[0].key == "k7"
    assert docs.stats()["erasing"] == 0
    store.verify()


def test_an_erase_that_was_stopped_is_resumed(store, tmp_path):
    docs = store["docs"]
    with pytest.raises(anear.CancelledError):
        docs.erase(KEY, progress=lambda done, total: False)
    assert KEY not in docs and docs.stats()["erasing"] > 0
    with pytest.raises(ZeroDivisionError):
        store.resume_erase(progress=lambda done, total: 1 // 0)
    (receipt,) = store.resume_erase()
    assert receipt.records == 1 and docs.stats()["erasing"] == 0
    assert store.resume_erase() == []
    for needle in NEEDLES:
        assert files_with(tmp_path / "store", needle) == []


def test_a_pinned_handle_is_named(store):
    docs = store["docs"]
    pinned = docs.pinned()
    with pytest.raises(anear.SnapshotExpiredError, match="pinned"):
        docs.erase(KEY, wait=0.05)
    assert KEY in pinned and KEY not in docs
    with pytest.raises(anear.ReadOnlyError):
        pinned.erase(KEY)
    del pinned
    assert len(store.resume_erase()) == 1


def test_backups_of_before_are_outstanding(store, tmp_path):
    store.backup(tmp_path / "backups")
    receipt = store["docs"].erase(KEY)
    assert [what for what in receipt.outstanding if "backup 1 in" in what]


def test_the_next_process_finishes_what_was_left(tmp_path):
    with anear.open(tmp_path / "store") as store:
        docs = store.create_collection("docs", vectors=anear.Vector(16))
        docs.upsert(KEY, ROWS[250])
        with pytest.raises(anear.CancelledError):
            docs.erase(KEY, progress=lambda done, total: False)
    with anear.open(tmp_path / "store", index_inline=True) as store:
        assert store.recovery["unfinished_erasures"] == 1
        assert store.resume_erase()[0].collection == "docs"


@pytest.mark.parametrize(
    "bad",
    (
        {},
        {"keys": KEY, "filter": "word = 'x'"},
        {"filter": ""},
        {"keys": [1]},
        {"keys": KEY, "wait": -1},
        {"keys": KEY, "progress": 7},
    ),
)
def test_bad_arguments_erase_nothing(store, bad):
    with pytest.raises(anear.InvalidArgumentError):
        store["docs"].erase(**bad)
    assert KEY in store["docs"]
