"""Matrices of f32 and f16 numbers are read where they are, by stores and indexes alike."""

from __future__ import annotations

import tracemalloc
from typing import Callable

import anear
import numpy as np
import pytest

WIDE = np.random.default_rng(12).normal(size=(8_000, 384))
FORMS: dict[str, Callable[[], np.ndarray]] = {
    "f32": lambda: WIDE.astype(np.float32),
    "f16": lambda: WIDE.astype(np.float16),
    "f32 columns of a wider matrix": lambda: WIDE.astype(np.float32)[:, 3:300],
    "every second f16 row": lambda: WIDE.astype(np.float16)[::2],
}


def peak_of(call: Callable[[], object]) -> int:
    tracemalloc.start()  # numpy reports its memory to it.
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.fixture(params=FORMS)
def matrix(request):
    return FORMS[request.param]()


def test_queries_are_read_where_they_are(matrix):
    with anear.open("memory", in_memory=True) as store:
        docs = store.create_collection("docs", anear.Vector(matrix.shape[1], index=anear.Flat()))
        docs.upsert("one", matrix[5])
        assert peak_of(lambda: docs.search_batch(matrix, k=1)) < matrix.nbytes / 2
        # The same measurement sees a copy when there is one.
        assert peak_of(lambda: docs.search_batch(matrix.astype(np.float64), k=1)) > matrix.nbytes / 2


def test_records_are_read_where_they_are(matrix):
    keys = [f"k{i}" for i in range(len(matrix))]
    with anear.open("memory", in_memory=True) as store:
        docs = store.create_collection("docs", anear.Vector(matrix.shape[1], index=anear.Flat()))
        assert peak_of(lambda: docs.upsert(keys, matrix)) < matrix.nbytes / 2
        assert docs.search(matrix[7], k=1)[0].key == "k7"


def test_an_index_reads_rows_where_they_are(matrix):
    index = anear.FlatIndex(matrix.shape[1])
    assert peak_of(lambda: index.add(matrix)) < matrix.nbytes / 2
    assert index.search(matrix[7], 1).keys[0, 0] == 7
    assert peak_of(lambda: index.add(matrix.astype(np.float64))) > matrix.nbytes / 2
