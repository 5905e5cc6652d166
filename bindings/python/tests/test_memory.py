"""A bound on memory from Python: what is refused, and that deletes make room."""

from __future__ import annotations

import anear
import numpy as np
import pytest

MOST = 16 << 20
ROWS = np.random.default_rng(8).normal(size=(6000, 512)).astype(np.float32)
KEYS = [f"k{i}" for i in range(len(ROWS))]


def fill(docs, at_once):
    for first in range(len(docs), len(ROWS), at_once):
        docs.upsert(KEYS[first : first + at_once], ROWS[first : first + at_once])


def test_writes_that_add_are_refused_before_a_store_takes_more_memory_than_it_may(tmp_path):
    with anear.open(tmp_path / "store", memory_bytes_max=MOST, index_inline=True) as store:
        docs = store.create_collection("docs", vectors=anear.Vector(512, index=anear.Flat()))
        for at_once in (100, 1):  # A batch may be too large alone.
            with pytest.raises(anear.LimitExceededError, match="memory_bytes_max"):
                fill(docs, at_once)
        state = store.state()
        assert state["writes"] == "full" and state["reason"] == docs.stats()["reason"]
        assert 0 < state["memory_bytes"] <= MOST
        written = len(docs)
        assert written > 500
        assert docs.search(ROWS[7], k=1)[0].key == "k7"
        assert docs.delete(KEYS[: written - 100]) == written - 100
        docs.flush()
        docs.upsert("more", ROWS[0])
        assert store.state()["writes"] == "all"
        assert len(docs) == 101
    for wrong in (-1, 1.5, 1000, "much"):
        with pytest.raises(anear.InvalidArgumentError):
            anear.open(tmp_path / "store", memory_bytes_max=wrong)
