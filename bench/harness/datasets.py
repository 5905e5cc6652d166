"""Vectors to measure on, and their exact nearest rows.

A data set is named by
    FOLDER              base_f16.npy or base.npy; queries_f16.npy or queries.npy; gt.npy (row numbers of the nearest, optional)
    FILE.npy            a matrix of vectors: up to 1,000 of them are held out as queries
    random:ROWSxDIM     generated from the seed: clusters of unequal size, a falling spectrum, held-out queries

What has no gt.npy is searched exactly once; the answer is kept in the cache folder."""

from __future__ import annotations

import hashlib
import pathlib
import re
import sys
from dataclasses import dataclass

import numpy as np

METRICS = ("cosine", "l2", "ip")
K = 10
_BLOCK = 16_384


class BadData(Exception):
    """The data cannot be measured on; the message says why."""


@dataclass(frozen=True)
class Source:
    """Where vectors come from: small enough to be sent to another process, which then reads the same vectors."""

    name: str
    metric: str
    base: pathlib.Path
    queries: pathlib.Path | None
    truth: pathlib.Path | None
    queries_max: int
    seed: int

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and queries as contiguous f32; of length 1 under the cosine metric."""
        base = np.load(self.base)
        if self.queries is None:
            order = np.random.default_rng(self.seed).permutation(len(base))
            held_out = min(1_000, len(base) // 10)
            base, queries = base[np.sort(order[held_out:])], base[order[:held_out]]
        else:
            queries = np.load(self.queries)
        if base.ndim != 2 or queries.ndim != 2 or base.shape[1] != queries.shape[1]:
            raise BadData(f"rows {base.shape} and queries {queries.shape} are not two matrices of one dimension")
        if len(base) < K or len(queries) == 0:
            raise BadData(f"{len(base)} rows and {len(queries)} queries: too few")
        return self._prepare(base), self._prepare(queries[: self.queries_max])

    def _prepare(self, matrix: np.ndarray) -> np.ndarray:
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        if not np.isfinite(matrix).all():
            raise BadData("some numbers are not finite")
        if self.metric != "cosine":
            return matrix
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        if (norms == 0).any():
            raise BadData(f"row {int(np.argmin(norms))} is zero and has no direction; choose --metric l2 or ip")
        return matrix / norms


def find(text: str, metric: str, cache: pathlib.Path, queries_max: int, seed: int) -> Source:
    if text.startswith("random:"):
        path = generate(text, cache, seed)
    else:
        path = pathlib.Path(text)
    if path.is_file():
        return Source(path.stem, metric, path, None, None, queries_max, seed)
    if not path.is_dir():
        raise BadData(f"{text} is neither a folder, nor a .npy file, nor random:ROWSxDIM")

    def one_of(*names: str) -> pathlib.Path | None:
        return next((path / name for name in names if (path / name).exists()), None)

    base = one_of("base_f16.npy", "base.npy")
    if base is None:
        raise BadData(f"{path} holds neither base_f16.npy nor base.npy")
    queries = one_of("queries_f16.npy", "queries.npy")
    truth = one_of("gt.npy") if queries else None
    return Source(path.resolve().name, metric, base, queries, truth, queries_max, seed)


def generate(text: str, cache: pathlib.Path, seed: int) -> pathlib.Path:
    """Writes `random:ROWSxDIM` once: f16 rows around √ROWS centres whose sizes fall off as 1/√rank. Centres and rows share a
    spectrum (variance of the i-th direction ~ 1/√(i + 1), turned at random), so that part of the dimensions carries most of
    the variance, as in real embeddings."""
    match = re.fullmatch(r"random:(\d+)x(\d+)", text)
    if not match:
        raise BadData(f"{text}: write random:ROWSxDIM, for example random:100000x128")
    rows, dimension = int(match[1]), int(match[2])
    folder = cache / f"random-{rows}x{dimension}-seed{seed}"
    if (folder / "queries_f16.npy").exists():
        return folder
    random = np.random.default_rng(seed)
    spread = (1.0 + np.arange(dimension, dtype=np.float32)) ** -0.25
    turn = np.linalg.qr(random.standard_normal((dimension, dimension)))[0].astype(np.float32)
    centres = random.standard_normal((max(8, int(rows**0.5)), dimension), dtype=np.float32)
    share = (1.0 + np.arange(len(centres))) ** -0.5
    share /= share.sum()

    def draw(count: int) -> np.ndarray:
        drawn = np.empty((count, dimension), dtype=np.float16)
        for first in range(0, count, _BLOCK):
            size = min(_BLOCK, count - first)
            noise = random.standard_normal((size, dimension), dtype=np.float32)
            drawn[first : first + size] = ((centres[random.choice(len(centres), size, p=share)] + noise) * spread) @ turn
        return drawn

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "base_f16.npy", draw(rows))
    np.save(folder / "queries_f16.npy", draw(max(10, min(1_000, rows // 10))))
    return folder


def distances(metric: str, queries: np.ndarray, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """[q, i]: the distance of queries[q] to rows[numbers[q, i]] in double precision, smaller is nearer."""
    found = np.empty(numbers.shape)
    for first in range(0, len(queries), 256):
        part = slice(first, first + 256)
        asked, near = queries[part].astype(np.float64), rows[numbers[part]].astype(np.float64)
        if metric == "l2":
            found[part] = ((near - asked[:, None, :]) ** 2).sum(-1)
        else:
            found[part] = -np.einsum("qid,qd->qi", near, asked) + (metric == "cosine")
    return found


def exact_nearest(metric: str, rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The K nearest rows of each query: blocks in single precision, then the first K + 20 again in double."""
    keep = min(K + 20, len(rows))
    best = np.empty((len(queries), 0), dtype=np.float32)
    where = np.empty((len(queries), 0), dtype=np.int64)
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        near = -(queries @ block.T)
        if metric == "l2":
            near = 2 * near + np.einsum("rd,rd->r", block, block)
        best = np.concatenate([best, near], axis=1)
        numbers = np.broadcast_to(np.arange(first, first + len(block)), near.shape)
        where = np.concatenate([where, numbers], axis=1)
        if best.shape[1] > keep:
            chosen = np.argpartition(best, keep - 1, axis=1)[:, :keep]
            best, where = np.take_along_axis(best, chosen, 1), np.take_along_axis(where, chosen, 1)
    order = np.argsort(distances(metric, queries, rows, where), axis=1, kind="stable")[:, :K]
    return np.take_along_axis(where, order, 1)


def truth_of(source: Source, rows: np.ndarray, queries: np.ndarray, cache: pathlib.Path) -> np.ndarray:
    """The K nearest rows of each query: from gt.npy, which is checked on some queries, or computed once."""
    if source.truth is not None:
        truth = np.load(source.truth)[: len(queries), :K].astype(np.int64)
        _check(source, truth, rows, queries)
        return truth
    files = [path for path in (source.base, source.queries) if path]
    stamps = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    name = hashlib.sha256(repr((stamps, source.metric, len(queries), source.seed, K)).encode()).hexdigest()[:20]
    path = cache / f"truth-{name}.npy"
    if not path.exists():
        print(f"searching {len(rows):,} rows exactly for {len(queries):,} queries, once", file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, exact_nearest(source.metric, rows, queries))
    return np.load(path)


def _check(source: Source, truth: np.ndarray, rows: np.ndarray, queries: np.ndarray) -> None:
    if truth.shape != (len(queries), K) or truth.min() < 0 or truth.max() >= len(rows):
        raise BadData(f"{source.truth}: expected {K} row numbers below {len(rows)} for each of {len(queries)} queries")
    some = queries[:20]
    exact = exact_nearest(source.metric, rows, some)
    given = np.sort(distances(source.metric, some, rows, truth[:20]), axis=1)
    wanted = distances(source.metric, some, rows, exact)
    if not np.allclose(given, wanted, rtol=1e-4, atol=1e-5):
        raise BadData(f"{source.truth} does not hold the nearest rows under the metric {source.metric}")
