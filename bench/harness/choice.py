"""One choice of dimensions, codes and index, built and searched with anear: what each process of the trade-off runs.

    codes   flat                               hnsw                                ivf_pq
    f32     f32 rows, exact                    walks f32 rows                      product codes, re-ranked on f32 rows
    f16     f16 rows, exact                    walks f16 rows                      product codes, re-ranked on f16 rows
    int8    int8 codes, re-ranked on the rows  int8 codes, re-ranked on the rows   as with codes of the kind of the rows

where "the rows" are of the kind that --rows says. A query is cut (or projected) inside the time that is measured."""

from __future__ import annotations

import inspect
from typing import Any, Callable

import anear
import numpy as np

version = anear.__version__
_SCALARS = {"f32": "f32", "f16": "f16", "int8": "i8"}


def build(
    rows: np.ndarray, threads: int, metric: str, index: str, codes: str, row_kind: str, basis: np.ndarray | int
) -> tuple[Any, np.ndarray | int]:
    """`basis`: how many leading dimensions are kept, or the matrix to multiply by."""
    reduced = reduce(rows, basis, metric)
    made = make(index, reduced.shape[1], metric, codes, row_kind)
    if index == "ivf_pq":
        made.train(reduced, threads=threads)
    made.add(reduced, threads=threads)
    return made, basis


def make(index: str, dimension: int, metric: str, codes: str, row_kind: str) -> Any:
    scalar = _SCALARS[codes]
    if index == "hnsw":
        return anear.HnswIndex(dimension, metric=metric, dtype=row_kind, codes=scalar)
    if index == "ivf_pq":
        return anear.IvfPqIndex(dimension, metric=metric, dtype=row_kind)
    if codes == "int8":
        return anear.FlatIndex(dimension, metric=metric, dtype=row_kind, codes=scalar)
    return anear.FlatIndex(dimension, metric=metric, dtype=row_kind)


def unavailable(index: str, codes: str) -> str | None:
    """Why this build of anear cannot make the choice; None when it can."""
    if index == "ivf_pq" and not hasattr(anear, "IvfPqIndex"):
        return "this build of anear has no IvfPqIndex"
    if index == "flat" and codes == "int8" and "codes" not in (inspect.getdoc(anear.FlatIndex.__init__) or ""):
        return "this build's FlatIndex keeps no codes"
    return None


def reduce(vectors: np.ndarray, basis: np.ndarray | int, metric: str) -> np.ndarray:
    reduced = vectors[:, :basis] if isinstance(basis, int) else vectors @ basis
    if metric == "cosine" and reduced.shape[1] < vectors.shape[1]:
        norms = np.linalg.norm(reduced, axis=1, keepdims=True)
        reduced = reduced / np.where(norms > 0, norms, 1)
    return np.ascontiguousarray(reduced)


def query(state: tuple[Any, np.ndarray | int], recall: float) -> Callable[[np.ndarray], np.ndarray]:
    index, basis = state
    if isinstance(basis, int):
        return lambda vector: index.search(vector[:basis], 10, recall=recall).keys[0]
    return lambda vector: index.search(vector @ basis, 10, recall=recall).keys[0]


def own_bytes(state: tuple[Any, np.ndarray | int]) -> int:
    return state[0].bytes
