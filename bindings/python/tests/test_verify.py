"""Levels of verify(), and the scrub."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone

import anear
import numpy as np
import pytest

ROWS = np.random.default_rng(11).normal(size=(300, 16)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    with anear.open(tmp_path / "store") as store:
        docs = store.create_collection("docs", vectors=anear.Vector(16), fields={"size": anear.Int64()})
        docs.upsert([f"k{i}" for i in range(300)], ROWS, fields={"size": list(range(300))})
        store.flush()
    return tmp_path / "store"


def flip(file, at: int = 1_000) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 4
    with file.open("r+b") as opened:  # In place: another file of the name would be another one.
        opened.write(content)


def row_file(path):
    (found,) = (path / "rows").iterdir()
    return found


def test_each_level_says_what_it_looked_at(path):
    with anear.open(path, read_only=True) as store:
        full = store.verify()
        assert (full["collections"], full["records"], full["rows"], full["images"]) == (1, 300, 300, 2)
        assert full["files"] >= 6 and full["bytes"] > row_file(path).stat().st_size and full["containers"] > 0
        records = store.verify("records")
        assert records == full | {"rows": 0}
        checksums = store.verify("checksums", bytes_per_second=2**40)
        assert checksums == full | {"rows": 0, "records": 0, "collections": 0, "containers": 0}
        calls = []
        store.verify("checksums", progress=lambda done, total: calls.append((done, total)))
        assert calls[-1][0] == calls[-1][1] == checksums["bytes"] and calls == sorted(calls)
        with pytest.raises(anear.CancelledError):
            store.verify(progress=lambda done, total: False)
        for wrong in ({"level": "all"}, {"level": 3}, {"bytes_per_second": 0}, {"bytes_per_second": -1}, {"progress": 5}):
            with pytest.raises(anear.InvalidArgumentError):
                store.verify(**wrong)


def test_damage_that_verify_finds_is_kept_in_mind(path):
    with anear.open(path, read_only=True) as store:
        assert store.scrub_stats()["finished"] is None
        begun = datetime.now(timezone.utc).replace(microsecond=0)
        store.verify("checksums")
        stats = store.scrub_stats()
        assert stats["passes"] == 1 and stats["finished"] >= begun and stats["damaged"] == []
        flip(row_file(path))
        with pytest.raises(anear.CorruptionError, match=row_file(path).name):
            store.verify("checksums")
        (damaged,) = store.scrub_stats()["damaged"]
        assert damaged["file"] == f"rows/{row_file(path).name}" and damaged["reason"] and damaged["found"] >= begun
        assert store["docs"].stats()["damaged_files"] == 1


def test_the_scrub_finds_a_bit_that_flips_beneath_an_open_store(path):
    with anear.open(path, scrub_bytes_per_second=2**40, scrub_every=0) as store:
        flip(row_file(path))
        deadline = time.monotonic() + 60
        while not store.scrub_stats()["damaged"]:
            assert time.monotonic() < deadline
        assert store["docs"].stats()["damaged_files"] == 1


def test_a_store_that_copies_its_files_survives_that_they_are_cut(path):
    with anear.open(path, copy_files=True, read_only=True) as store:
        for directory in ("rows", "images"):
            for file in (path / directory).iterdir():
                os.truncate(file, 0)
        for i in range(0, 300, 17):
            assert store["docs"].search(ROWS[i], k=1)[0].key == f"k{i}"
        with pytest.raises(anear.CorruptionError):
            store.verify("checksums")


def test_wrong_options_of_the_scrub_are_refused(path):
    for wrong in ({"scrub_bytes_per_second": -1}, {"scrub_every": -1.0}, {"scrub_every": 2**32}, {"scrub_every": float("nan")}):
        with pytest.raises(anear.InvalidArgumentError):
            anear.open(path, **wrong)
