"""Runs of peers: each in a process of its own, their passes interleaved, recall judged by distance.

A pass asks all queries one by one, in an order that is new for each pass and the same for all peers. Between passes a peer's
process waits, so that one of them runs at a time."""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import multiprocessing
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Callable

import numpy as np

from harness.datasets import K, Source, distances
from harness.environment import installed_version, requirements_of


@dataclass(frozen=True)
class Task:
    """What one process builds. `settings`: asked instead of the module's `sweep`; `options`: passed to its build()."""

    name: str
    module: str
    source: Source
    threads: int
    settings: tuple[Any, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """`build_cpu_s`: processor time of all threads; `rss_bytes`: growth of the process; `own_bytes`: the peer's own figure."""

    version: str
    build_s: float
    build_cpu_s: float
    rss_bytes: int
    own_bytes: int | None
    settings: tuple[Any, ...]


@dataclass
class Point:
    """One setting of one peer over all passes; speeds and latencies are those of the best pass, recall is the lowest.

    `cpu_share`: processor time over elapsed time of the best pass. Clearly above 1: the peer searches on several threads;
    clearly below: the machine was busy with something else. `short`: answers of fewer than K distinct rows."""

    peer: str
    setting: Any
    recall: float = 1.0
    queries_per_s: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    cpu_share: float = 0.0
    short: int = 0
    speeds: list[float] = field(default_factory=list)

    def add(self, recall: float, short: int, answer: Answer) -> None:
        speed = len(answer.seconds) / answer.seconds.sum()
        self.recall, self.short = min(self.recall, recall), max(self.short, short)
        if speed > self.queries_per_s:
            self.queries_per_s, self.cpu_share = speed, answer.cpu_share
            self.p50_us, self.p99_us = np.percentile(answer.seconds, (50, 99)) * 1e6
        self.speeds.append(speed)

    @property
    def spread(self) -> float:
        return 1 - min(self.speeds) / max(self.speeds)


@dataclass(frozen=True)
class Answer:
    """[i]: what the i-th query of a pass found (−1: nothing more), and how long it took."""

    keys: np.ndarray
    seconds: np.ndarray
    cpu_share: float


class Failed(Exception):
    """A peer that could not be measured; the message says why."""


class Judge:
    """Counts recall@K by distance: a returned row is right when it is no farther than the true K-th nearest, give or take
    1e-6·max(1, distance); a row returned twice counts once."""

    def __init__(self, metric: str, rows: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> None:
        self._metric, self._rows, self._queries = metric, rows, queries
        farthest = distances(metric, queries, rows, truth).max(axis=1)
        self._bound = farthest + 1e-6 * np.maximum(1.0, np.abs(farthest))

    def recall(self, order: np.ndarray, keys: np.ndarray) -> tuple[float, int]:
        """Recall over the queries `order`, and how many of them got fewer than K distinct rows."""
        keys = np.sort(keys, axis=1)
        distinct = (keys >= 0) & (keys < len(self._rows))
        distinct[:, 1:] &= keys[:, 1:] != keys[:, :-1]
        found = distances(self._metric, self._queries[order], self._rows, np.where(distinct, keys, 0))
        right = distinct & (found <= self._bound[order, None])
        return float(right.sum() / right.size), int((distinct.sum(axis=1) < K).sum())


class Running:
    """A peer's process, from its build to its last pass."""

    def __init__(self, task: Task) -> None:
        self.name = task.name
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(task, there), daemon=True)
        pinned = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        before = dict(os.environ)
        os.environ.update(pinned)  # Inherited: search runs on one thread; build() of a peer asks for more.
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        there.close()
        self.built: Built = self._receive()

    def ask(self, setting: Any, order: np.ndarray) -> Answer:
        self._pipe.send((setting, order))
        return self._receive()

    def stop(self) -> None:
        try:
            self._pipe.send(None)
        except OSError:
            pass
        self._process.join()

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise Failed(f"its process ended with {self._process.exitcode}") from None
        if isinstance(answer, str):
            raise Failed(answer)
        return answer


def interleave(
    running: list[Running], judge: Judge, queries: int, passes: int, seed: int
) -> tuple[list[Point], dict[str, str]]:
    """The points of all peers, and why a peer is missing from some of them."""
    random = np.random.default_rng(seed)
    points: dict[tuple[str, int], Point] = {}
    failed: dict[str, str] = {}
    steps = max((len(peer.built.settings) for peer in running), default=0)
    for number in range(passes):
        print(f"pass {number + 1} of {passes}", file=sys.stderr)
        order = random.permutation(queries)
        for step in range(steps):
            for peer in running:
                if peer.name in failed or step >= len(peer.built.settings):
                    continue
                setting = peer.built.settings[step]
                try:
                    answer = peer.ask(setting, order)
                except Failed as failure:
                    failed[peer.name] = f"at setting {setting}: {failure}"
                    continue
                point = points.setdefault((peer.name, step), Point(peer.name, setting))
                point.add(*judge.recall(order, answer.keys), answer)
    return list(points.values()), failed


def _serve(task: Task, pipe: Any) -> None:
    os.dup2(2, 1)  # What a library prints is no part of the report.
    try:
        module = importlib.import_module(task.module)
        rows, queries = task.source.vectors()
        state, built = _build(task, module, rows)
        del rows
        pipe.send(built)
        while (asked := pipe.recv()) is not None:
            setting, order = asked
            pipe.send(_pass(module.query(state, setting), queries[order]))
    except Exception as error:
        if not isinstance(error, (ImportError, Failed)):
            traceback.print_exc()
        pipe.send(f"{type(error).__name__}: {error}" if not isinstance(error, Failed) else str(error))


def _build(task: Task, module: Any, rows: np.ndarray) -> tuple[Any, Built]:
    options = dict(task.options)
    if "metric" in inspect.signature(module.build).parameters:
        options["metric"] = task.source.metric
    elif task.source.metric != "cosine":
        raise Failed(f"knows no metric {task.source.metric}")
    before, start, start_cpu = _resident_bytes(), time.perf_counter(), time.process_time()
    state = module.build(rows, task.threads, **options)
    spent, spent_cpu = time.perf_counter() - start, time.process_time() - start_cpu
    own_bytes = module.own_bytes(state) if hasattr(module, "own_bytes") else None
    settings = task.settings or tuple(module.sweep)
    return state, Built(_version(task, module), spent, spent_cpu, _resident_bytes() - before, own_bytes, settings)


def _version(task: Task, module: Any) -> str:
    if hasattr(module, "version"):
        return str(module.version)
    names = requirements_of(task.name) if task.module.startswith("peers.") else []
    return (installed_version(names[0]) if names else None) or ""


def _pass(search: Callable[[np.ndarray], Any], queries: np.ndarray) -> Answer:
    asked, clock = list(queries), time.perf_counter
    found, seconds = [], np.empty(len(asked))
    gc.collect()
    start, start_cpu = clock(), time.process_time()
    for i, query in enumerate(asked):
        begin = clock()
        found.append(search(query))
        seconds[i] = clock() - begin
    share = (time.process_time() - start_cpu) / (clock() - start)
    keys = np.full((len(asked), K), -1, dtype=np.int64)
    for i, one in enumerate(found):
        one = np.asarray(one, dtype=np.int64)[:K]
        keys[i, : len(one)] = one
    return Answer(keys, seconds, share)


def _resident_bytes() -> int:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
