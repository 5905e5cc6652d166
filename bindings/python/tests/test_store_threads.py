"""Threads, forks and the GIL."""

from __future__ import annotations

import os
import signal
import threading
import time

import anear
import numpy as np
import pytest

SEED = 13
ROWS = np.random.default_rng(SEED).normal(size=(4_000, 64)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    with anear.open(tmp_path / "s", durability="buffered") as opened:
        yield opened


def ticks_during(call) -> int:
    """How often another thread wakes from short sleeps while `call` runs: 1 or 2 if the GIL is held throughout."""
    ticks = 0
    running = True

    def tick() -> None:
        nonlocal ticks
        while running:
            time.sleep(0.001)
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    while ticks == 0:
        time.sleep(0.001)
    before = ticks
    call()
    after = ticks
    running = False
    thread.join()
    return after - before


def test_other_threads_go_on_during_long_calls(tmp_path):
    keys = [f"k{i}" for i in range(len(ROWS))]
    with anear.open(tmp_path / "s", index_inline=True) as store:
        docs = store.create_collection("docs", anear.Vector(64))
        assert ticks_during(lambda: docs.upsert(keys, ROWS)) > 20  # Indexed within the call.
        assert ticks_during(lambda: docs.search_batch(ROWS, k=10, recall=1)) > 20
    # The same measurement sees a call that holds the GIL: sorting is one step of the interpreter.
    numbers = np.random.default_rng(SEED).random(1_000_000).tolist()
    assert ticks_during(lambda: sorted(numbers)) < 10


def test_searches_beside_upserts_see_whole_batches(store):
    docs = store.create_collection("docs", anear.Vector(64), {"batch": anear.Int64()})
    size, batches = 20, 100
    docs.upsert([f"0/{i}" for i in range(size)], ROWS[:size], {"batch": [0] * size})
    failures: list[BaseException] = []
    done = threading.Event()

    def guarded(work) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write(first: int) -> None:
        for batch in range(first, batches, 2):
            rows = ROWS[batch * size : (batch + 1) * size]
            docs.upsert([f"{batch}/{i}" for i in range(size)], rows, {"batch": [batch] * size})
            assert docs.search(rows[3], k=1, recall=1).keys == [f"{batch}/3"]  # One reads what one wrote.

    def read() -> None:
        random = np.random.default_rng(SEED)
        while not done.is_set():
            assert docs.count() % size == 0
            hits = docs.search(ROWS[random.integers(len(ROWS))], k=15)
            assert len(hits) == 15 and list(hits.distances) == sorted(hits.distances)
            assert docs.count("batch = $b", {"b": int(random.integers(batches))}) in (0, size)

    writers = [guarded(lambda first=first: write(first)) for first in (1, 2)]
    readers = [guarded(read) for _ in range(2)]
    for writer in writers:
        writer.join()
    done.set()
    for reader in readers:
        reader.join()
    assert not failures, failures
    docs.flush()
    assert len(docs) == size * batches and store.verify()["records"] == size * batches


def test_closing_waits_for_calls_and_later_ones_are_refused(tmp_path):
    store = anear.open(tmp_path / "s", durability="buffered")
    docs = store.create_collection("docs", anear.Vector(64))
    docs.upsert([f"k{i}" for i in range(len(ROWS))], ROWS)
    answers: list[object] = []

    def search() -> None:
        try:
            while True:
                answers.append(docs.search(ROWS[0], k=1).keys)
        except anear.ClosedError as error:
            answers.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(answers) < 10:
        time.sleep(0.001)
    store.close()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, anear.ClosedError) for answer in answers) == 3
    assert all(answer == ["k0"] for answer in answers if isinstance(answer, list))


def test_a_forked_child_is_told_to_open_for_itself(store, tmp_path):
    docs = store.create_collection("docs", anear.Vector(64))
    docs.upsert("a", ROWS[0])
    calls = [
        lambda: docs.count(),
        lambda: docs.upsert("b", ROWS[1]),
        lambda: docs.search(ROWS[0]),
        lambda: docs.flush(),
        lambda: store.collections(),
        lambda: store.collection("docs"),
        lambda: store.verify(),
        lambda: store.close(),
    ]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        seen = []
        try:
            for call in calls:
                try:
                    call()
                    seen.append("no error")
                except anear.ForkedError as error:
                    seen.append("forked" if "fork" in str(error) and error.code == 10 else str(error))
            seen.append(f"{store!r} {docs!r}")
            with anear.open(tmp_path / "of the child") as own:
                seen.append(str(own.collections()))
        except BaseException as failure:
            seen.append(repr(failure))
        os.write(writing, "\n".join(seen).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        seen = pipe.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0
    shown = f"<anear.Store {store.path!r}, opened before a fork> <anear.Collection 'docs', opened before a fork>"
    assert seen == ["forked"] * len(calls) + [shown, "[]"]
    # The parent goes on as if nothing had been, and still holds its lock.
    docs.upsert("c", ROWS[2])
    assert len(docs) == 2
    with pytest.raises(anear.LockedError):
        anear.open(store.path)


def test_a_forked_child_calls_with_several_threads(tmp_path):
    with anear.open(tmp_path / "s") as store:
        docs = store.create_collection("docs", anear.Vector(64))
        docs.upsert([f"k{i}" for i in range(len(ROWS))], ROWS)
        index = anear.HnswIndex(64)
        index.add(ROWS, threads=2)
        assert docs.search_batch(ROWS[:40], k=1, threads=2).keys[0] == ["k0"]
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # Instead of waiting forever.
        try:
            with anear.open(tmp_path / "s") as own:
                docs = own.collection("docs")
                docs.flush()
                right = docs.search_batch(ROWS[:40], k=1, threads=2).keys[0] == ["k0"]
            index.add(ROWS, threads=2)
            right = right and len(index.search(ROWS[:40], 1, threads=2).keys) == 40
        except BaseException:
            right = False
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
