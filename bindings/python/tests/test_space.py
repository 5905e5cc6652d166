"""A full disk from Python: which writes are taken, why not all, and that they are taken again."""

from __future__ import annotations

import anear
import numpy as np
import pytest

ROWS = np.random.default_rng(6).normal(size=(100, 16)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    with anear.open(tmp_path / "store") as opened:
        docs = opened.create_collection("docs", vectors=anear.Vector(16))
        docs.upsert([f"k{i:04}" for i in range(100)], ROWS)
        yield opened


def test_a_store_keeps_part_of_the_disk_and_says_so(store):
    state = store.state()
    assert state["writes"] == "all" and state["reason"] == ""
    assert state["free_bytes"] > state["reserved_bytes"] > 0
    path = store.path
    store.close()
    with pytest.raises(anear.ClosedError):
        store.state()
    with anear.open(path, reserved_bytes=2**60) as full:
        state = full.state()
        assert state["writes"] == "full" and state["reserved_bytes"] == 2**60
        with pytest.raises(anear.NoSpaceError, match="reserved"):
            full["docs"].upsert("more", ROWS[0])
        assert full["docs"].stats()["reason"] == state["reason"]
        assert full["docs"].delete("k0001") == 1
        assert len(full["docs"]) == 99
    with anear.open(path, reserved_bytes=0) as other:
        other["docs"].upsert("more", ROWS[0])
        assert other.state()["writes"] == "all" and other.state()["reserved_bytes"] == 0
        other.resume()  # Nothing to do.
    with pytest.raises(anear.ClosedError):
        other.resume()
    with anear.open(path, read_only=True) as reader:
        with pytest.raises(anear.ReadOnlyError):
            reader.resume()
        assert reader.state()["writes"] == "read_only" and "read-only" in reader.state()["reason"]
    for wrong in (-1, 1.5, "much"):
        with pytest.raises(anear.InvalidArgumentError):
            anear.open(path, reserved_bytes=wrong)
