"""What users and operators do to a store by mistake or in passing: nothing acknowledged is lost, nothing wrong is served.

A test marked xfail shows a defect that is known; it fails as soon as the defect is gone, and the mark with it.
"""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import anear
import numpy as np
import pytest
from programs import ENVIRONMENT

SEED = 41
ROWS = np.random.default_rng(SEED).normal(size=(1_200, 8)).astype(np.float32)
VECTOR = anear.Vector(8, metric="l2")
DAMAGE = (anear.CorruptionError, anear.UnsupportedFormatError, anear.LostWritesError, anear.NotFoundError, anear.IoError)
Rows = dict  # Key -> number of its row and value of its field: what a collection holds.


def known_defect(reason: str):
    return pytest.mark.xfail(strict=True, reason=reason, raises=(AssertionError, anear.Error))


def create(path: pathlib.Path, first: int = 0, count: int = 200, **options) -> tuple[anear.Store, Rows]:
    store = anear.open(path, **options)
    held: Rows = {}
    write(store.create_collection("docs", VECTOR, {"n": anear.Int64()}), held, first, count)
    store.flush()
    return store, held


def write(docs, held: Rows, first: int, count: int, prefix: str = "k", shift: int = 0) -> None:
    """Notes in `held` what is acknowledged."""
    numbers = [number + shift for number in range(first, first + count)]
    keys = [f"{prefix}{number - shift}" for number in numbers]
    docs.upsert(keys, ROWS[numbers], {"n": numbers})
    held.update(zip(keys, numbers))


def assert_serves(docs, held: Rows) -> None:
    found = {record.key: record for record in docs.scan(with_vectors=True)}
    assert list(found) == sorted(held) and len(docs) == len(held)
    for key, number in held.items():
        assert found[key].fields == {"n": number} and np.array_equal(found[key].vectors["vector"], ROWS[number])
    keys, numbers = list(held), list(held.values())
    for query in (ROWS[numbers[0]], ROWS[numbers[-1]], ROWS[7] + 0.5):
        away = ((ROWS[numbers].astype(np.float64) - query) ** 2).sum(axis=1)
        distance_of = dict(zip(keys, away))
        hits = docs.search(query, k=10, recall=1)
        assert [hit.distance for hit in hits] == pytest.approx(sorted(away)[:10], abs=1e-4)
        for hit in [*hits, *docs.search(query, k=10)]:
            assert hit.distance == pytest.approx(distance_of[hit.key], abs=1e-4)
            assert hit.fields == {"n": held[hit.key]}
    middle = sorted(numbers)[len(numbers) // 2]
    assert docs.count("n < $n", {"n": middle}) == sum(number < middle for number in numbers)


def assert_kept(path: pathlib.Path, held: Rows) -> None:
    with anear.open(path, create=False) as store:
        assert_serves(store["docs"], held)
        store.verify()


def kept_or_refused(path: pathlib.Path, *allowed: Rows) -> bool:
    """Whether the store answers; fails when it answers with anything but one of the states that are allowed."""
    try:
        with anear.open(path, create=False) as store:
            size = len(store["docs"])
            (held,) = [each for each in allowed if len(each) == size]
            assert_serves(store["docs"], held)
            store.flush()
            store.verify()
    except DAMAGE:
        return False
    return True


def quietly(call) -> bool:
    """Whether it did what it was asked to."""
    try:
        call()
    except anear.Error:
        return False
    return True


def in_threads(*works) -> None:
    failures: list[BaseException] = []

    def guarded(work) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


# Directories that are moved, replaced and mixed.

def test_a_lock_file_that_was_removed_as_stale_does_not_let_two_writers_destroy_the_store(tmp_path):
    first, held = create(tmp_path / "s")
    (tmp_path / "s" / "LOCK").unlink()
    second = anear.open(tmp_path / "s")
    for number, store in enumerate((first, second)):
        quietly(lambda store=store, number=number: write(store["docs"], held, 300 + 300 * number, 300))
    for call in (first.flush, second.flush, first.close, second.close):
        quietly(call)
    assert_kept(tmp_path / "s", held)


@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_a_writer_whose_directory_was_taken_away_does_no_harm_to_its_successor(tmp_path, how):
    old, of_old = create(tmp_path / "s")
    (tmp_path / "s").rename(tmp_path / "aside")
    if how == "removed":
        shutil.rmtree(tmp_path / "aside")
    new, of_new = create(tmp_path / "s", first=600)
    for call in (lambda: write(old["docs"], of_old, 300, 300), old.flush, lambda: write(new["docs"], of_new, 900, 200)):
        quietly(call)
    for call in (new.flush, old.close, new.close):
        quietly(call)
    assert_kept(tmp_path / "s", of_new)
    if how == "renamed":
        assert_kept(tmp_path / "aside", of_old)


def test_a_link_that_is_turned_to_another_store_does_not_mix_the_two(tmp_path):
    (tmp_path / "current").symlink_to(tmp_path / "one")
    (tmp_path / "one").mkdir()
    one, of_one = create(tmp_path / "current")
    two, of_two = create(tmp_path / "two", first=600)
    two.close()
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to(tmp_path / "two")
    for call in (lambda: write(one["docs"], of_one, 300, 300), one.flush, one.close):
        quietly(call)
    assert_kept(tmp_path / "two", of_two)
    assert_kept(tmp_path / "one", of_one)


def test_one_store_under_many_names_is_one_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, held = create(pathlib.Path("s"))
    (tmp_path / "link").symlink_to("s")
    (tmp_path / "elsewhere").mkdir()
    for name in ("s", "./s/", "link", "link/.", "elsewhere/../s", str(tmp_path / "s")):
        with pytest.raises(anear.LockedError):
            anear.open(name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    other, of_other = create(pathlib.Path("s"), first=600)
    write(store["docs"], held, 300, 300)
    write(other["docs"], of_other, 900, 200)
    store.close()
    other.close()
    assert os.listdir(tmp_path / "elsewhere") == ["s"]
    assert_kept(tmp_path / "s", held)
    assert_kept(tmp_path / "elsewhere" / "s", of_other)


def test_a_file_that_goes_while_the_store_is_written_is_missed_or_not_needed(tmp_path):
    create(tmp_path / "made")[0].close()
    names = [path.relative_to(tmp_path / "made") for path in sorted((tmp_path / "made").rglob("*")) if path.is_file()]
    tables = [name for name in names if name.suffix == ".sst"]
    outcomes = {}
    for name in [*set(names).difference(tables), *tables[:2]]:
        shutil.copytree(tmp_path / "made", tmp_path / "s")
        outcomes[str(name)] = goes_on_without(tmp_path / "s", name)
        shutil.rmtree(tmp_path / "s")
    assert outcomes["LOCK"] and not outcomes["ANEAR"] and not outcomes["MARK"] and not outcomes["records/CURRENT"]
    assert all(kept for name, kept in outcomes.items() if name.startswith("images/"))


def goes_on_without(path: pathlib.Path, name: pathlib.Path) -> bool:
    held = {f"k{i}": i for i in range(200)}
    with anear.open(path) as store:
        docs = store["docs"]
        write(docs, held, 300, 20)
        (path / name).unlink(missing_ok=True)  # Opening replaces some.
        if quietly(lambda: write(docs, held, 400, 20)):
            assert docs.search(ROWS[410], k=1, recall=1).keys == ["k410"]
        quietly(store.flush)
        quietly(store.close)
    return kept_or_refused(path, held)


MIXTURES = ("ANEAR", "MARK", "records", "rows", "images", "records MARK", "records rows images", "rows images", "ANEAR MARK")


@pytest.mark.parametrize("source", ["another store", "an older copy"])
def test_parts_of_two_stores_are_never_served_as_one(tmp_path, source):
    store, older = create(tmp_path / "s")
    store.close()
    shutil.copytree(tmp_path / "s", tmp_path / "other")
    if source == "another store":
        shutil.rmtree(tmp_path / "other")
        other, older = create(tmp_path / "other", first=600, count=250)
        other.close()
    newer = {f"k{i}": i for i in range(200)}
    with anear.open(tmp_path / "s") as store:
        write(store["docs"], newer, 300, 300)
        store["docs"].delete("k7")
        del newer["k7"]
    for parts in map(str.split, MIXTURES):
        mixed = tmp_path / "mixed"
        shutil.copytree(tmp_path / "s", mixed)
        for part in parts:
            if (mixed / part).is_dir():
                shutil.rmtree(mixed / part)
                shutil.copytree(tmp_path / "other" / part, mixed / part)
            else:
                shutil.copy(tmp_path / "other" / part, mixed / part)
        answers = kept_or_refused(mixed, older, newer)
        if source == "another store" and parts != ["images"]:
            assert not answers, parts
        shutil.rmtree(mixed)
    # Copied over, files of both stand side by side: one whole state is served.
    shutil.copytree(tmp_path / "other", tmp_path / "s", dirs_exist_ok=True)
    kept_or_refused(tmp_path / "s", older, newer)


@pytest.mark.parametrize("name", ["ANEAR", "MARK"])
def test_the_error_of_a_missing_file_says_what_can_be_done(tmp_path, name):
    create(tmp_path / "s")[0].close()
    (tmp_path / "s" / name).unlink()
    with pytest.raises(anear.Error) as caught:
        anear.open(tmp_path / "s")
    assert name in str(caught.value) and any(word in str(caught.value) for word in ("backup", "recover()", "repair()"))


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("prefix", ["another key ", "k"])
def test_a_store_put_back_beneath_a_reader_and_written_again_is_told_or_served_rightly(tmp_path, flushed, prefix):
    store, held = create(tmp_path / "s")
    store.backup(tmp_path / "backups")
    one, two = dict(held), dict(held)
    write(store["docs"], one, 300, 300)
    if flushed:
        store.flush()
    reader = anear.open(tmp_path / "s", read_only=True)
    store.close()
    shutil.rmtree(tmp_path / "s")
    anear.restore(tmp_path / "backups", tmp_path / "s")
    with anear.open(tmp_path / "s") as store:
        write(store["docs"], two, 300, 300, prefix=prefix, shift=400)
        if flushed:
            store.flush()
        assert_serves(store["docs"], two)
        told = not quietly(reader.refresh)
        assert_serves(reader["docs"], one if told else two)
    reader.close()


def test_two_lives_of_a_store_keep_their_backups_apart(tmp_path):
    store, one = create(tmp_path / "s")
    two = dict(one)
    store.backup(tmp_path / "backups")
    anear.restore(tmp_path / "backups", tmp_path / "twin")
    with anear.open(tmp_path / "twin") as twin:
        for each, held, first in ((store, one, 300), (twin, two, 600)):
            write(each["docs"], held, first, 100)
            each["docs"].delete(f"k{first // 100}")
            del held[f"k{first // 100}"]
            each.flush()
            each.backup(tmp_path / "backups")
        for backup in (tmp_path / "s" / "b", tmp_path / "s" / "records", tmp_path / "s"):
            with pytest.raises(anear.InvalidArgumentError):
                store.backup(backup)
    store.close()
    for number, held in ((2, one), (3, two)):
        anear.restore(tmp_path / "backups", tmp_path / f"r{number}", number=number)
        assert_kept(tmp_path / f"r{number}", held)


def test_an_erase_that_was_cut_short_is_finished_in_what_is_restored(tmp_path):
    store, held = create(tmp_path / "s")
    with pytest.raises(anear.CancelledError):
        store["docs"].erase("k17", progress=lambda done, total: False)
    del held["k17"]
    store.backup(tmp_path / "backups")
    store.close()
    anear.restore(tmp_path / "backups", tmp_path / "r")
    with anear.open(tmp_path / "r", index_inline=True) as restored:
        assert restored.recovery["unfinished_erasures"] == 1
        assert_serves(restored["docs"], held)
        (receipt,) = restored.resume_erase()
        assert receipt.records == 1
    assert_kept(tmp_path / "r", held)


# Programs that end, or are interrupted, wherever they are.

EXITS = {
    "its end": ("", 0, True),
    "an exception": ("raise ValueError", 1, True),
    "os._exit": ("os._exit(4)", 4, False),
    "a signal": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, False),
    "another program": ("os.execv('/bin/true', ['true'])", 0, False),
    "a forked child that ends first": ("if os.fork() == 0: sys.exit(7)\nos.wait()", 0, True),
}


@pytest.mark.parametrize("how", EXITS)
def test_threads_that_write_while_the_program_ends_lose_nothing(tmp_path, how):
    ending, code, is_clean = EXITS[how]
    script = (
        "import anear, os, signal, sys, threading, time\n"
        "docs = anear.open(sys.argv[1], durability='buffered').create_collection('docs', anear.Vector(4))\n"
        "def write(thread):\n"
        "    for i in range(10**9):\n"
        "        docs.upsert(f'{thread}-{i}', [1, i * 7919 % 1000, i * 104729 % 1000, i * 13 % 997])\n"
        "        os.write(1, f'{thread}-{i}\\n'.encode())\n"
        "for thread in range(3): threading.Thread(target=write, args=(thread,), daemon=True).start()\n"
        "time.sleep(0.15)\n"
    )
    command = [sys.executable, "-c", script + ending, str(tmp_path / "s")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    acknowledged = done.stdout.splitlines()
    with anear.open(tmp_path / "s") as store:
        assert store.recovery["clean"] is is_clean
        there = {record.key for record in store["docs"].scan(fields=False)}
        # Of each thread one more may be there, that it had no time to tell of.
        assert set(acknowledged) <= there and len(there) <= len(acknowledged) + 3
        store.verify()


def test_a_kill_between_dropping_and_making_collections_loses_none_of_the_others(tmp_path):
    script = (
        "import anear, os, random, sys\n"
        "store = anear.open(sys.argv[1], durability=sys.argv[2])\n"
        "random = random.Random(int(sys.argv[3]))\n"
        "tell = lambda *words: os.write(1, (' '.join(map(str, words)) + '\\n').encode())\n"
        "make = lambda name: store.create_collection(name, anear.Vector(2), {'n': anear.Int64()}, exist_ok=True)\n"
        "for name in 'abcd': make(name)\n"
        "tell('made')\n"
        "for i in range(10**9):\n"
        "    name, n = random.choice('abcd'), int(sys.argv[3]) * 10**6 + i\n"
        "    what = random.choice(['drop', 'flush', 'put', 'put', 'put', 'put'])\n"
        "    tell('begin', what, name, n)\n"
        "    if what == 'drop': store.drop_collection(name); make(name)\n"
        "    elif what == 'flush': store.flush()\n"
        "    else:\n"
        "        size = n % 9 + 1\n"
        "        store[name].upsert([f'{n}-{j}' for j in range(size)], [[1, j] for j in range(size)], {'n': [n] * size})\n"
        "    tell('end', what, name, n)\n"
    )
    held: dict[str, set[int]] = {name: set() for name in "abcd"}
    for life in range(1, 5):
        command = [sys.executable, "-c", script, str(tmp_path / "s"), ("durable", "buffered")[life % 2], str(life)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        told = [process.stdout.readline() for _ in range(25 + 12 * life)]
        process.kill()
        steps = [line.split() for line in told + process.communicate()[0].splitlines()]
        print("life", life, "killed after", *steps[-1])
        for step in steps[1:]:
            take(held, *step)
        with anear.open(tmp_path / "s") as store:
            for name in held:
                held[name] = held_after_kill(store, name, held[name], steps[-1])
            store.verify()


def take(held: dict[str, set[int]], state: str, what: str, name: str, n: str) -> None:
    if state == "end" and what == "drop":
        held[name] = set()
    elif state == "end" and what == "put":
        held[name].add(int(n))


def held_after_kill(store, name: str, held: set[int], last: list[str]) -> set[int]:
    """What is there: all that is held, and the last step done or not."""
    allowed = [held]
    if last[0] == "begin" and last[2] == name:
        allowed += {"drop": [set()], "put": [held | {int(last[3])}], "flush": []}[last[1]]
    if name not in store:  # Dropped, and not made again yet.
        assert set() in allowed[1:]
        return set()
    found = [record.fields["n"] for record in store[name].scan()]
    assert all(found.count(n) == n % 9 + 1 for n in set(found))
    assert set(found) in allowed, (name, last)
    return set(found)


def test_a_call_that_a_signal_interrupts_happened_whole_or_not_at_all(tmp_path):
    class Alarm(Exception): ...

    armed = False

    def ring(*_) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Alarm

    held: Rows = {}
    choice = random.Random(SEED)
    interrupted = 0
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with anear.open(tmp_path / "s", durability="buffered") as store:
            docs = store.create_collection("docs", VECTOR, {"n": anear.Int64()})
            for _ in range(40):
                first, count = choice.randrange(900), choice.randrange(1, 250)
                written = {f"k{i}": i + 50 for i in range(first, first + count)}
                work = choice.choice((store.flush, lambda: list(docs.scan(page=5)), None, None, None))
                try:
                    armed = True
                    signal.setitimer(signal.ITIMER_REAL, choice.uniform(0.0001, 0.004))
                    if work is not None:
                        work()
                    else:
                        numbers = list(written.values())
                        docs.upsert(list(written), ROWS[numbers], {"n": numbers})
                        held.update(written)
                    armed = False
                except Alarm:
                    interrupted += 1
                    there = docs.get(list(written))
                    if work is None and all(r is not None and r.fields["n"] == written[r.key] for r in there):
                        held.update(written)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert interrupted > 0
            assert_serves(docs, held)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert_kept(tmp_path / "s", held)


# Threads that want the same.


def test_of_writers_that_expect_a_sequence_each_counts_once(tmp_path):
    with anear.open(tmp_path / "s", durability="buffered") as store:
        docs = store.create_collection("docs", anear.Vector(2, metric="l2"), {"n": anear.Int64()})
        docs.upsert("counter", [0, 0], {"n": 0})

        def count() -> None:
            done = 0
            while done < 50:
                seen = docs.get("counter", with_vectors=True)
                n = seen.fields["n"]
                assert seen.vectors["vector"][0] == n
                if quietly(lambda: docs.upsert("counter", [n + 1, 0], {"n": n + 1}, expected=seen.sequence)):
                    done += 1

        in_threads(*[count] * 4)
        assert docs.get("counter").fields == {"n": 200} and len(docs) == 1
        assert [(hit.key, hit.distance) for hit in docs.search([200, 0], k=5, recall=1)] == [("counter", 0)]


def test_racing_changes_of_one_record_add_up_in_the_order_of_their_sequences(tmp_path):
    log: list[tuple[int, str, str, int]] = []
    store = anear.open(tmp_path / "s", durability="buffered")
    docs = store.create_collection("docs", anear.Vector(2, metric="l2"), {"n": anear.Int64(), "m": anear.Int64()})
    for key in "abc":
        log.append((docs.upsert(key, [0, 0], {"n": 0, "m": 0}), key, "upsert", 0))

    def change(thread: int) -> None:
        choice = random.Random(thread)
        for i in range(1, 101):
            key, what, number = choice.choice("abc"), choice.choice(("upsert", "field", "row")), thread * 1_000 + i
            if what == "upsert":
                sequence = docs.upsert(key, [number, 0], {"n": number, "m": number})
            elif what == "field":
                sequence = docs.update(key, fields={"n": number})
            else:
                sequence = docs.update(key, [number, 1])
            log.append((sequence, key, what, number))

    in_threads(*[lambda thread=thread: change(thread) for thread in range(4)])
    assert len({sequence for sequence, *_ in log}) == len(log) == 403
    fields: dict[str, dict] = {}
    rows: dict[str, list] = {}
    for _, key, what, number in sorted(log):
        if what != "row":
            fields[key] = {"n": number, "m": number if what == "upsert" else fields[key]["m"]}
        if what != "field":
            rows[key] = [number, 0 if what == "upsert" else 1]
    for _ in range(2):
        for record in docs.scan(with_vectors=True):
            assert record.fields == fields[record.key]
            assert record.vectors["vector"].tolist() == rows[record.key]
            assert docs.search(rows[record.key], k=1, recall=1)[0].distance == 0
        store.verify()
        store.close()
        store = anear.open(tmp_path / "s")
        docs = store["docs"]
    store.close()


def test_a_collection_that_is_dropped_and_made_again_never_shows_two_lives_at_once(tmp_path):
    store = anear.open(tmp_path / "s", durability="buffered")
    done = threading.Event()

    def make(life: int):
        docs = store.create_collection("docs", VECTOR, {"n": anear.Int64()})
        docs.upsert([f"{life}-{i}" for i in range(30)], ROWS[:30], {"n": [life] * 30})
        return docs

    first = make(0)

    def read() -> None:
        while not done.is_set():
            try:
                docs = store["docs"]
                lives = [record.fields["n"] for record in docs.scan()]
                assert len(set(lives)) <= 1 and len(lives) in (0, 30)
                assert len({hit.fields["n"] for hit in docs.search(ROWS[3], k=40, filter="n >= 0")}) <= 1
            except anear.NotFoundError:
                pass

    def replace() -> None:
        for life in range(1, 9):
            store.drop_collection("docs")
            make(life)
        done.set()

    in_threads(read, read, replace)
    for call in (first.count, lambda: first.upsert("x", ROWS[0]), lambda: first.search(ROWS[0]), first.flush):
        with pytest.raises(anear.NotFoundError):
            call()
    store.close()
    with anear.open(tmp_path / "s") as store:
        assert {record.fields["n"] for record in store["docs"].scan()} == {8} and len(store["docs"]) == 30
        assert store.verify()["collections"] == 1


def test_what_is_acknowledged_beside_a_close_is_there_and_nothing_else(tmp_path):
    store = anear.open(tmp_path / "s", durability="buffered")
    docs = store.create_collection("docs", VECTOR, {"n": anear.Int64()})
    held: list[Rows] = [{}, {}, {}]

    def fill(thread: int) -> None:
        try:
            for i in range(10**9):
                write(docs, held[thread], i % 1_000, 3, prefix=f"{thread}-{i}-")
        except anear.ClosedError:
            pass

    def close() -> None:
        while not all(held):
            time.sleep(0.001)
        time.sleep(0.05)
        store.close()

    in_threads(*[lambda thread=thread: fill(thread) for thread in range(3)], close)
    with anear.open(tmp_path / "s") as store:
        assert {record.key for record in store["docs"].scan()} == set().union(*held)
        store.verify()


# Values.


def test_minus_zero_keeps_its_sign(tmp_path):
    with anear.open(tmp_path / "s") as store:
        docs = store.create_collection("docs", None, {"x": anear.Float64(), "xs": anear.Float64List()})
        docs.upsert("a", fields={"x": -0.0, "xs": [-0.0]})
        assert docs.count("x = 0") == 1
        assert np.signbit(docs.get("a").fields["xs"][0]) and np.signbit(docs.get("a").fields["x"])


def test_rows_that_crowd_into_one_direction_are_no_damage_to_verify(tmp_path):
    count = 8_000
    rows = np.stack([np.ones(count), 1 / (1 + np.arange(count))], axis=1).astype(np.float32)
    with anear.open(tmp_path / "s", durability="buffered") as store:
        store.create_collection("docs", anear.Vector(2)).upsert([f"k{i}" for i in range(count)], rows)
        store.flush()
        assert store.verify()["records"] == count
