"""What is measured of one store, each in a process of its own: writes, writes of several threads, the first answer after an open,
searches beside a writer.

A store is a file bench/peers/NAME_store.py; bench/peers/__init__.py says what is in it."""

from __future__ import annotations

import gc
import importlib
import itertools
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from harness.datasets import K
from harness.records import Records
from harness.runs import Failed

# What the others of a batch are: also how a store is filled before it is opened again.
FILL_BATCH = 1_000
MIXED_BATCH = 100
_RUN_SECONDS_MAX = 240.0
# Python hands the interpreter from thread to thread every 5 ms by itself: far more than a search takes.
_SWITCH_SECONDS = 50e-6


@dataclass(frozen=True)
class Run:
    """One measurement. `folder`: the store's own, or, for cases that make a store for themselves, where to make it."""

    store: str
    case: str
    records: Records
    folder: pathlib.Path
    synced: bool = True
    batch: int = 1
    threads: int = 1
    seconds: float = 2.0
    queries: int = 1  # Asked after the first answer, for recall.


def measure(run: Run) -> dict[str, Any]:
    """The outcome of a run in a process of its own. Raises Failed."""
    context = multiprocessing.get_context("spawn")
    pipe, there = context.Pipe()
    process = context.Process(target=_serve, args=(run, there), daemon=True)
    process.start()
    there.close()
    try:
        if not pipe.poll(_RUN_SECONDS_MAX):
            process.kill()
            raise Failed(f"{run.case}: no answer within {_RUN_SECONDS_MAX:.0f} s")
        outcome = pipe.recv()
    except (EOFError, ConnectionError):
        process.join()
        raise Failed(f"{run.case}: its process ended with {process.exitcode}") from None
    process.join(10)
    if process.is_alive():
        process.kill()
    if isinstance(outcome, str):
        raise Failed(f"{run.case}: {outcome}")
    return outcome


def _serve(run: Run, pipe: Any) -> None:
    os.dup2(2, 1)  # What a library prints is no part of the report.
    try:
        module = importlib.import_module(f"peers.{run.store}_store")
        outcome = _CASES[run.case](run, module)
    except Exception as error:
        if not isinstance(error, ImportError):
            traceback.print_exc()
        outcome = f"{type(error).__name__}: {error}"
    pipe.send(outcome)
    sys.stderr.flush()
    os._exit(0)  # Some libraries do not end by themselves.


class _Writer:
    """Upserts records `first`, `first` + 1, … in batches, from the beginning again where they end."""

    def __init__(self, module: Any, state: Any, data: tuple[np.ndarray, list[dict[str, Any]]], batch: int) -> None:
        self._module, self._state, self._batch = module, state, batch
        self._rows, self._fields = data

    def write(self, first: int) -> int:
        """Writes one batch; how many records that were."""
        end = min(first + self._batch, len(self._rows))
        keys = list(range(first, end))
        self._module.upsert(self._state, keys, self._rows[first:end], self._fields[first:end])
        return end - first


def _ingest(run: Run, module: Any) -> dict[str, Any]:
    """Batches into a new store until the time or the records are over; the first batch is not counted."""
    rows, _, fields = run.records.load()
    with tempfile.TemporaryDirectory(prefix=f"{run.store}-", dir=run.folder) as folder:
        state = module.create(f"{folder}/store", rows.shape[1], run.synced)
        writer = _Writer(module, state, (rows, fields), run.batch)
        done = first = writer.write(0)
        gc.collect()
        start = time.perf_counter()
        while done < len(rows) and time.perf_counter() - start < run.seconds:
            done += writer.write(done)
        spent = time.perf_counter() - start
        outcome = {"records": done - first, "seconds": spent, "records_per_s": (done - first) / spent}
        outcome["lag"] = module.lag(state) if hasattr(module, "lag") else None
        module.close(state)
    return outcome


def _threads(run: Run, module: Any) -> dict[str, Any]:
    """Each of `threads` threads writes its own share of the records, one by one."""
    rows, _, fields = run.records.load()
    with tempfile.TemporaryDirectory(prefix=f"{run.store}-", dir=run.folder) as folder:
        state = module.create(f"{folder}/store", rows.shape[1], run.synced)
        writer = _Writer(module, state, (rows, fields), 1)
        writer.write(len(rows) - 1)
        share = (len(rows) - 1) // run.threads
        done, failures = [0] * run.threads, []
        start = time.perf_counter()

        def write(number: int) -> None:
            try:
                while done[number] < share and time.perf_counter() - start < run.seconds:
                    done[number] += writer.write(number * share + done[number])
            except Exception as failure:
                failures.append(failure)

        writers = [threading.Thread(target=write, args=(number,)) for number in range(run.threads)]
        for thread in writers:
            thread.start()
        for thread in writers:
            thread.join()
        spent = time.perf_counter() - start
        if failures:
            raise failures[0]
        module.close(state)
    return {"records": sum(done), "seconds": spent, "records_per_s": sum(done) / spent}


def _fill(run: Run, module: Any) -> dict[str, Any]:
    """All records in batches of 1,000 and the index finished: the store that the next cases open."""
    rows, _, fields = run.records.load()
    shutil.rmtree(run.folder, ignore_errors=True)
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    state = module.create(str(run.folder), rows.shape[1], run.synced)
    writer = _Writer(module, state, (rows, fields), FILL_BATCH)
    done = 0
    while done < len(rows):
        done += writer.write(done)
    written = time.perf_counter() - start
    module.finish(state)
    finished = time.perf_counter() - start
    module.close(state)
    disk = sum(path.stat().st_blocks * 512 for path in run.folder.rglob("*") if path.is_file())
    return {"write_s": written, "finish_s": finished - written, "bytes_per_record": disk / len(rows)}


def _reopen(run: Run, module: Any) -> dict[str, Any]:
    """From the call that opens to the first answer; then the answers to more queries, for their recall."""
    queries = run.records.source.vectors()[1][: run.queries]
    gc.collect()
    start = time.perf_counter()
    state = module.open(str(run.folder))
    opened = time.perf_counter()
    search = module.search(state)
    search(queries[0])
    answered = time.perf_counter()
    keys = np.full((len(queries), K), -1, dtype=np.int64)
    for i, query in enumerate(queries):
        found = np.asarray(search(query), dtype=np.int64)[:K]
        keys[i, : len(found)] = found
    module.close(state)
    return {"open_s": opened - start, "first_s": answered - opened, "total_s": answered - start, "keys": keys}


def _mixed(run: Run, module: Any) -> dict[str, Any]:
    """One thread searches: alone, beside a thread that replaces records, while the store finishes its index and files."""
    rows, queries, fields = run.records.load()
    sys.setswitchinterval(_SWITCH_SECONDS)
    state = module.open(str(run.folder))
    search = module.search(state)
    asked = itertools.cycle(list(queries))
    _search_while(search, asked, _for_seconds(run.seconds / 2))
    gc.collect()
    outcome = {"idle": _latencies(_search_while(search, asked, _for_seconds(run.seconds)))}
    writer = _Writer(module, state, (rows, fields), MIXED_BATCH)
    written = 0

    def replace() -> None:
        nonlocal written
        going = _for_seconds(run.seconds)
        while going():
            written += writer.write(written % (len(rows) - MIXED_BATCH))

    for phase, work in (("ingest", replace), ("finish", lambda: module.finish(state))):
        failures: list[Exception] = []
        thread = threading.Thread(target=_caught, args=(work, failures))
        start = time.perf_counter()
        thread.start()
        seconds = _search_while(search, asked, thread.is_alive)
        thread.join()
        if failures:
            raise failures[0]
        outcome[phase] = _latencies(seconds) | {"seconds": time.perf_counter() - start}
    outcome["written_per_s"] = written / outcome["ingest"]["seconds"]
    module.close(state)
    return outcome


def _caught(work: Callable[[], None], failures: list[Exception]) -> None:
    try:
        work()
    except Exception as failure:
        failures.append(failure)


def _for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def _search_while(search: Callable[[np.ndarray], Any], asked: Any, going: Callable[[], bool]) -> list[float]:
    clock, seconds = time.perf_counter, []
    while going():
        query = next(asked)
        begin = clock()
        search(query)
        seconds.append(clock() - begin)
    return seconds


def _latencies(seconds: list[float]) -> dict[str, Any]:
    if not seconds:
        return {"searches": 0, "p50_us": None, "p99_us": None, "max_us": None}
    p50, p99 = np.percentile(seconds, (50, 99)) * 1e6
    return {"searches": len(seconds), "p50_us": p50, "p99_us": p99, "max_us": max(seconds) * 1e6}


_CASES: dict[str, Callable[[Run, Any], dict[str, Any]]] = {
    "ingest": _ingest,
    "threads": _threads,
    "fill": _fill,
    "reopen": _reopen,
    "mixed": _mixed,
}
