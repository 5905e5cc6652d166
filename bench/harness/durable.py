"""Stores side by side on one disk: writes by key with queryable metadata, single writes of many threads, the first answer after an
open, searches beside a writer. Passes are interleaved; of rates and times the best pass counts."""

from __future__ import annotations

import importlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness import environment, report
from harness.datasets import exact_nearest, truth_of
from harness.records import Records
from harness.runs import Failed, Judge
from harness.store_runs import FILL_BATCH, MIXED_BATCH, Run, measure

CASES = ("write", "threads", "reopen", "search")
BATCHES = (1, 100, 1_000)
WRITERS = 8
FROM_CPP = "anear, from C++"
RECALL = 0.95
# What anear's log gets for one record of 384 f32 with its metadata: 2,515 bytes.
APPEND_BYTES = 2_560
_PROGRAMS = environment.ROOT / "build" / "release" / "bench"
_REOPENS = 3
_RECALL_QUERIES = 200  # The slowest store takes some 40 ms for each.

# What anear has to reach.
DISK_SHARE, THREADS_GAIN, P99_FACTOR = 0.7, 3.0, 3.0
_NOT_BELOW = ("zvec", "qdrant_edge", "chroma")


@dataclass(frozen=True)
class Given:
    """What was asked for."""

    stores: list[str]
    cases: list[str]
    records: Records
    folder: pathlib.Path  # Where all stores are made: on the disk that is measured.
    seconds: float
    passes: int
    judge: Judge
    queries: int


@dataclass
class Found:
    """Outcomes by store and case, one for each pass; and what failed."""

    outcomes: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    disk: list[float] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, store: str, case: str, run: Run, lines: report.JsonLines) -> dict[str, Any] | None:
        try:
            outcome = measure(run)
        except Failed as failure:
            self.failed.setdefault(f"{store} ({case})", str(failure))
            return None
        self.outcomes.setdefault((store, case), []).append(outcome)
        facts = {name: value for name, value in outcome.items() if name != "keys"}
        lines.write("store", store=store, case=case, **facts)
        return outcome

    def best(self, store: str, case: str, what: str = "records_per_s") -> float | None:
        return max((one[what] for one in self.outcomes.get((store, case), ())), default=None)

    def least(self, store: str, case: str, what: str) -> float | None:
        return min((one[what] for one in self.outcomes.get((store, case), ())), default=None)


def compare(given: Given, lines: report.JsonLines) -> Found:
    """Runs what was asked for, one process at a time."""
    found = Found()
    given.folder.mkdir(parents=True, exist_ok=True)
    for number in range(given.passes):
        print(f"pass {number + 1} of {given.passes}", file=sys.stderr)
        if "write" in given.cases:
            _write(given, found, lines)
        if "threads" in given.cases:
            _threads(given, found, lines)
    if "reopen" in given.cases or "search" in given.cases:
        _filled(given, found, lines)
    return found


def modes(store: str) -> list[bool]:
    """The durabilities that a store has: [synced, not synced], or one of them."""
    facts = environment.facts_of(store)
    return [synced for synced, name in ((True, "synced"), (False, "buffered")) if facts.get(name)]


def write_case(synced: bool, batch: int) -> str:
    return f"write {'synced' if synced else 'buffered'} {batch}"


def _write(given: Given, found: Found, lines: report.JsonLines) -> None:
    for batch in BATCHES:
        if batch == 1:
            _measure_disk(given, found, lines)
        for store in given.stores:
            for synced in modes(store):
                if store == "anear":
                    _write_from_cpp(given, found, lines, write_case(synced, batch))
                run = Run(store, "ingest", given.records, given.folder, synced, batch, seconds=given.seconds)
                found.add(store, write_case(synced, batch), run, lines)


def _threads(given: Given, found: Found, lines: report.JsonLines) -> None:
    for store in given.stores:
        if not environment.facts_of(store).get("threaded"):
            continue
        for threads in (1, WRITERS):
            if store == "anear":
                _write_from_cpp(given, found, lines, f"threads {threads}")
            synced = modes(store)[0]
            run = Run(store, "threads", given.records, given.folder, synced, threads=threads, seconds=given.seconds)
            found.add(store, f"threads {threads}", run, lines)


def _filled(given: Given, found: Found, lines: report.JsonLines) -> None:
    """What needs a store that holds everything: filled once, opened again and again, then written to while it is searched."""
    runs: dict[str, Run] = {}
    for store in given.stores:
        print(f"{store}: filling", file=sys.stderr)
        run = Run(store, "fill", given.records, given.folder / f"{store}-filled", modes(store)[0], FILL_BATCH)
        if found.add(store, "fill", run, lines) is not None:
            runs[store] = run
    for number in range(_REOPENS if "reopen" in given.cases else 0):
        for store, run in runs.items():
            asked = min(_RECALL_QUERIES, given.queries) if number == 0 else 1
            outcome = found.add(store, "reopen", replace(run, case="reopen", queries=asked), lines)
            if outcome is not None and number == 0:
                outcome["recall"] = given.judge.recall(np.arange(asked), outcome["keys"])[0]
                lines.write("recall", store=store, recall=outcome["recall"])
    for _ in range(min(given.passes, 2) if "search" in given.cases else 0):
        for store, run in runs.items():
            print(f"{store}: searching beside a writer", file=sys.stderr)
            found.add(store, "search", replace(run, case="mixed", seconds=2 * given.seconds), lines)
        _search_from_cpp(given, found, lines)
    for run in runs.values():
        shutil.rmtree(run.folder, ignore_errors=True)


def _measure_disk(given: Given, found: Found, lines: report.JsonLines) -> None:
    said = _program(found, "disk_rate", str(given.folder), str(APPEND_BYTES), str(given.seconds))
    if said is not None:
        found.disk.append(float(said))
        lines.write("disk", append_bytes=APPEND_BYTES, appends_per_s=found.disk[-1])


def _write_from_cpp(given: Given, found: Found, lines: report.JsonLines, case: str) -> None:
    """A case of writing, "write synced 1" or "threads 8", as a program of C++ does it."""
    base = given.records.source.base
    if base.name != "base_f16.npy":
        return
    kind, *more = case.split()
    how = ["synced", "1", *more] if kind == "threads" else [*more, "1"]
    said = _program(found, "store_writes", str(base), str(given.folder), *how, str(given.seconds))
    if said is not None:
        found.outcomes.setdefault((FROM_CPP, case), []).append(outcome := json.loads(said))
        lines.write("store", store=FROM_CPP, case=case, **outcome)


def _search_from_cpp(given: Given, found: Found, lines: report.JsonLines) -> None:
    """Like the case of the same name, without an interpreter that threads have to share."""
    base = given.records.source.base
    if "anear" not in given.stores or base.name != "base_f16.npy":
        return
    numbers = str(given.records.count), str(2 * given.seconds)
    said = _program(found, "store_latency", str(base), str(given.folder), *numbers)
    if said is not None:
        outcome = json.loads(said)
        outcome["finish"]["seconds"] = outcome.pop("finish_s")
        found.outcomes.setdefault((FROM_CPP, "search"), []).append(outcome)
        lines.write("store", store=FROM_CPP, case="search", **outcome)


def _program(found: Found, name: str, *arguments: str) -> str | None:
    """What a program beside Python said."""
    if not (_PROGRAMS / name).exists():
        found.failed[name] = f"{(_PROGRAMS / name).relative_to(environment.ROOT)} is not built"
        return None
    done = subprocess.run([str(_PROGRAMS / name), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        found.failed[name] = done.stderr.strip() or f"it ended with {done.returncode}"
        return None
    return done.stdout


def tables(given: Given, found: Found) -> str:
    parts = []
    if "write" in given.cases or "threads" in given.cases:
        parts.append(_write_table(given, found))
    if found.disk:
        parts.append(f"the disk alone, appends of {APPEND_BYTES:,} bytes + fdatasync, from C++: {max(found.disk):,.0f} a second")
    if "reopen" in given.cases:
        parts.append(_reopen_table(given, found))
    if "search" in given.cases:
        parts.append(_search_table(given, found))
    if "anear" in given.stores:
        parts.append("\n".join(_verdicts(given, found)))
    parts.append("\n".join(_how(given)))
    return "\n\n".join(parts)


def _write_table(given: Given, found: Found) -> str:
    header = ["records/s, batches of"] + [f"{batch:,}" for batch in BATCHES]
    header += [f"{WRITERS} writers of 1", "gain", "not indexed", "median spread"]
    stores = [(store, mode) for store in given.stores for mode in modes(store)]
    if "anear" in given.stores:
        stores = [(FROM_CPP, True), (FROM_CPP, False), *stores]
    body = []
    for store, synced in stores:
        cases = [found.outcomes.get((store, write_case(synced, batch)), []) for batch in BATCHES]
        if not any(cases):
            continue
        one, many = (found.best(store, f"threads {n}") if synced else None for n in (1, WRITERS))
        lags = [run["lag"] for run in cases[-1] if run["lag"] is not None]
        line = [_named(store, synced)] + [_number(found.best(store, write_case(synced, batch))) for batch in BATCHES]
        line += [_number(many) if many else "", _ratio(many, one)]
        line += [f"{max(lags):,}" if lags else environment.facts_of(store).get("unindexed", ""), _spread(cases)]
        body.append(line)
    return report.table(header, body)


def _reopen_table(given: Given, found: Found) -> str:
    header = ["reopened, ms", "open", "first answer", "both", "recall@10", "filled in s", "of it the index", "bytes/record"]
    body = []
    for store in given.stores:
        if not (runs := found.outcomes.get((store, "reopen"))):
            continue
        best = min(runs, key=lambda run: run["total_s"])
        recall = runs[0].get("recall", 0.0)
        fill = found.outcomes[(store, "fill")][0]
        line = [store] + [f"{best[name] * 1e3:,.1f}" for name in ("open_s", "first_s", "total_s")]
        line += [f"{recall:.3f}" + ("" if recall >= RECALL else " (below)"), f"{fill['write_s'] + fill['finish_s']:.1f}"]
        body.append(line + [f"{fill['finish_s']:.1f}", f"{fill['bytes_per_record']:,.0f}"])
    return report.table(header, body)


def _search_table(given: Given, found: Found) -> str:
    header = ["searches, µs", "idle p50", "idle p99", "p99 beside writes", "/ idle", "written/s"]
    header += ["p99 while finishing", "/ idle", "that took s", "searches timed"]
    body = []
    for store in [FROM_CPP, *given.stores]:
        if not (runs := found.outcomes.get((store, "search"))):
            continue
        idle, ingest, finish = (_p99(runs, phase) for phase in ("idle", "ingest", "finish"))
        line = [store, f"{min(run['idle']['p50_us'] for run in runs):,.0f}", _number(idle)]
        line += [_number(ingest), _ratio(ingest, idle)]
        line += [_number(max(run["written_per_s"] for run in runs)), _number(finish), _ratio(finish, idle)]
        line += [f"{max(run['finish']['seconds'] for run in runs):.1f}"]
        counts = [sum(run[phase]["searches"] for run in runs) for phase in ("idle", "ingest", "finish")]
        body.append(line + [" + ".join(f"{count:,}" for count in counts)])
    return report.table(header, body)


def _p99(runs: list[dict[str, Any]], phase: str) -> float | None:
    """The best pass; nothing where fewer than 100 searches were timed."""
    return min((run[phase]["p99_us"] for run in runs if run[phase]["searches"] >= 100), default=None)


def _verdicts(given: Given, found: Found) -> list[str]:
    """Where anear has to stand, and where it does."""
    lines = []

    def say(what: str, value: float | None, least: float) -> None:
        if value is not None:
            lines.append(f"{'reached ' if value >= least else 'MISSED  '} {what}: {value:.2f}, at least {least:.2f}")

    single = found.best(FROM_CPP, write_case(True, 1))
    if single and found.disk:
        say("durable writes of 1 from C++ / appends of the disk alone", single / max(found.disk), DISK_SHARE)
    for batch in BATCHES[1:]:
        own = found.best("anear", write_case(True, batch))
        for store in _NOT_BELOW:
            theirs = max((found.best(store, write_case(mode, batch)) or 0 for mode in (True, False)), default=0)
            if own and theirs:
                say(f"durable writes of {batch:,} / {store}", own / theirs, 1.0)
    for name in (FROM_CPP, "anear"):
        one, many = (found.best(name, f"threads {n}") for n in (1, WRITERS))
        if one and many:
            say(f"{WRITERS} durable writers of 1 / one, {name}", many / one, THREADS_GAIN)
    own = found.least("anear", "reopen", "total_s")
    for store in given.stores:
        theirs = found.least(store, "reopen", "total_s")
        if own and theirs and store != "anear" and found.outcomes[(store, "reopen")][0].get("recall", 0) >= RECALL:
            say(f"first answer of {store} / anear's", theirs / own, 1.0)
    for name in (FROM_CPP, "anear"):
        runs = found.outcomes.get((name, "search"), [])
        for phase in ("ingest", "finish"):
            if (busy := _p99(runs, phase)) and (idle := _p99(runs, "idle")):
                say(f"{P99_FACTOR:.0f} x idle p99 / p99 during {phase}, {name}", P99_FACTOR * idle / busy, 1.0)
    return lines


def _how(given: Given) -> list[str]:
    lines = [f"{store} {_version(store)}: {'; '.join(_semantics(store))}" for store in given.stores]
    return lines + [
        f"Upserts by key with {', '.join(('section', 'architecture', 'installed_size', 'n_depends', 'tags'))}, all filterable;",
        f"each write case ran for {given.seconds:g} s at most, the best of {given.passes} interleaved passes counts. Not indexed:",
        f"records that the index lacked after the last batch of 1,000. Searches beside a writer of batches of {MIXED_BATCH}, through",
        "Python: a thread waits for the interpreter too.",
    ]


def _semantics(store: str) -> list[str]:
    facts = environment.facts_of(store)
    return [str(facts[name]) for name in ("synced", "buffered") if facts.get(name)]


def _version(store: str) -> str:
    requirements = environment.requirements_of(store, "store")
    if requirements:
        return environment.installed_version(requirements[0]) or ""
    try:
        return importlib.import_module(f"peers.{store}_store").version
    except ImportError:
        return ""


def _named(store: str, synced: bool) -> str:
    if synced or store == FROM_CPP:
        return f"{store}, {'synced' if synced else 'buffered'}"
    only_way = str(environment.facts_of(store)["buffered"]).startswith("not synced")
    return f"{store}, {'not synced' if only_way else 'buffered'}"


def _spread(cases: list[list[dict[str, Any]]]) -> str:
    spreads = []
    for runs in cases:
        rates = [run["records_per_s"] for run in runs]
        if len(rates) > 1:
            spreads.append(1 - min(rates) / max(rates))
    return f"{statistics.median(spreads):.0%}" if spreads else ""


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.1f}" if above and below else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def judge_of(records: Records, cache: pathlib.Path) -> tuple[Judge, int]:
    """Counts the recall of answers over the records that are stored, and of how many queries."""
    rows, queries, fields = records.load()
    whole = len(records.source.vectors()[0]) == len(fields)
    metric = records.source.metric
    truth = truth_of(records.source, rows, queries, cache) if whole else exact_nearest(metric, rows, queries)
    return Judge(metric, rows, queries, truth), len(queries)
