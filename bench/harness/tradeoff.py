"""What dimensions, precision and index cost on the caller's own vectors: recall against exact search over the full-dimension
f32 rows, bytes, build time and speed of each choice, and which of them no other choice beats."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness import report
from harness.datasets import Source
from harness.runs import Built, Failed, Judge, Point, Running, Task, interleave

REDUCTIONS = ("truncate", "pca")
INDEXES = ("flat", "hnsw", "ivf_pq")
CODES = ("f32", "f16", "int8")
_NUMBER_BYTES = {"f32": 4, "f16": 2}
LEGEND = [
    "recall@10: against exact search over the full-dimension f32 rows; asked: the recall asked of the index, which knows",
    "only its own (reduced) rows. Bytes a vector in memory: searched = codes and links or lists; row = kept for the re-rank",
    "alone (0: the rows are what is searched). Sorted by total bytes, then speed; * no other line is at least as good in",
    "recall, total bytes and queries/s, and better in one.",
]
# What is built at the same time, so that passes can be interleaved, may take this share of the free memory.
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Choice:
    """`codes` is what a search compares ("pq" for ivf_pq), `row_kind` the numbers of the rows it re-ranks on."""

    dimension: int
    reduction: str
    index: str
    codes: str
    row_kind: str

    @property
    def name(self) -> str:
        kinds = self.codes if self.codes == self.row_kind else f"{self.codes}+{self.row_kind}"
        return f"{self.index} {self.dimension} {self.reduction} {kinds}".replace("  ", " ")

    @property
    def row_bytes(self) -> int:
        """Bytes of a row that is kept for the re-rank alone; 0 where the rows are what is searched."""
        return 0 if self.codes == self.row_kind else self.dimension * _NUMBER_BYTES[self.row_kind]


@dataclass(frozen=True)
class Result:
    choice: Choice
    built: Built
    point: Point
    rows: int

    @property
    def row_bytes(self) -> float:
        return float(self.choice.row_bytes)

    @property
    def searched_bytes(self) -> float:
        """Codes and links (or lists): what a search reads all over, and what has to stay in memory."""
        return (self.built.own_bytes or 0) / self.rows - self.row_bytes

    def facts(self) -> dict[str, Any]:
        sizes = {"searched_bytes": self.searched_bytes, "row_bytes": self.row_bytes}
        sizes["rss_bytes"] = self.built.rss_bytes / self.rows
        times = {"build_s": self.built.build_s, "build_cpu_s": self.built.build_cpu_s}
        point = asdict(self.point)
        point["asked_recall"] = point.pop("setting")
        del point["peer"]
        return asdict(self.choice) | sizes | times | point


def problem_of(wanted: dict[str, list[str]], dimension: int) -> str | None:
    """What is wrong with the lists that were asked for."""
    for what, known in (("codes", CODES), ("index", INDEXES), ("reduce", REDUCTIONS)):
        if unknown := [word for word in wanted[what] if word not in known]:
            return f"--{what} {','.join(unknown)} is unknown; there are {','.join(known)}"
    for size in wanted["dims"]:
        if not size.isdigit() or not 1 <= int(size) <= dimension:
            return f"--dims {size}: must be between 1 and {dimension}, the dimension of the data"
    return None


def choices(wanted: dict[str, list[str]], dimension: int, row_kind: str) -> list[Choice]:
    """The combinations, each once: ivf_pq has its own codes, and all dimensions need no reduction."""
    found = []
    for size in map(int, wanted["dims"]):
        for reduction in wanted["reduce"] if size < dimension else [""]:
            for index in wanted["index"]:
                for codes in wanted["codes"]:
                    rows = row_kind if codes == "int8" else codes
                    found.append(Choice(size, reduction, index, "pq" if index == "ivf_pq" else codes, rows))
    return list(dict.fromkeys(found))


def pca_basis(rows: np.ndarray, seed: int) -> np.ndarray:
    """Directions of falling second moment over up to 20,000 rows, as columns. Not centred, so that products are kept."""
    sample = np.random.default_rng(seed).permutation(len(rows))[:20_000]
    some = rows[sample].astype(np.float64)
    return np.linalg.eigh(some.T @ some)[1][:, ::-1].astype(np.float32)


def front(costs: list[tuple[float, ...]]) -> list[bool]:
    """[i]: no other tuple is at most as large everywhere and smaller somewhere."""
    return [
        not any(all(b <= a for a, b in zip(mine, other)) and other != mine for other in costs) for mine in costs
    ]


def in_groups(picked: list[Choice], rows: int, free_bytes: int) -> list[list[Choice]]:
    """Choices that are measured side by side: as many as the memory takes. What a group holds at once is estimated."""
    groups: list[list[Choice]] = []
    used = 0.0
    for choice in picked:
        need = rows * (choice.dimension * 4 + choice.row_bytes + 512) + 100e6
        if not groups or used + need > free_bytes * _MEMORY_SHARE:
            groups.append([])
            used = 0.0
        groups[-1].append(choice)
        used += need
    return groups


def measure(
    source: Source, picked: list[Choice], given: Any, data: tuple[np.ndarray, ...]
) -> tuple[list[Result], dict[str, str]]:
    """Every choice at every recall target; and why some are missing."""
    rows, queries, _ = data
    judge = Judge(source.metric, *data)
    basis = pca_basis(rows, given.seed) if any(choice.reduction == "pca" for choice in picked) else None
    results: list[Result] = []
    failed: dict[str, str] = {}
    for group in in_groups(picked, len(rows), _free_bytes()):
        running: dict[str, Running] = {}
        by_name = {choice.name: choice for choice in group}
        for choice in group:
            try:
                running[choice.name] = Running(_task(choice, source, given, basis))
                print(f"{choice.name}: built in {running[choice.name].built.build_s:.1f} s", file=sys.stderr)
            except Failed as failure:
                failed[choice.name] = str(failure)
        points, broken = interleave(list(running.values()), judge, len(queries), given.passes, given.seed)
        failed |= broken
        results += [Result(by_name[p.peer], running[p.peer].built, p, len(rows)) for p in points]
        for peer in running.values():
            peer.stop()
    return results, failed


def table(results: list[Result]) -> str:
    """Sorted by memory, then by speed; a star marks what no other line beats in recall, bytes and queries/s together."""
    ordered = sorted(results, key=lambda r: (r.searched_bytes + r.row_bytes, -r.point.queries_per_s))
    costs = [(r.searched_bytes + r.row_bytes, -round(r.point.recall, 3), -r.point.queries_per_s) for r in ordered]
    header = ["index", "dims", "codes", "rows", "asked", "recall@10", "searched B", "row B", "total B", "build s"]
    header += ["queries/s", "p50 µs", "p99 µs", "front"]
    lines = []
    for result, best in zip(ordered, front(costs)):
        choice, point = result.choice, result.point
        lines.append(
            [choice.index, f"{choice.dimension} {choice.reduction}".strip(), choice.codes]
            + ["" if choice.codes == choice.row_kind else choice.row_kind]
            + [f"{point.setting:.2f}" if point.setting < 1 else "exact"]
            + [f"{point.recall:.3f}", f"{result.searched_bytes:,.0f}", f"{result.row_bytes:,.0f}"]
            + [f"{result.searched_bytes + result.row_bytes:,.0f}", f"{result.built.build_s:.1f}"]
            + [f"{point.queries_per_s:,.0f}", f"{point.p50_us:,.0f}", f"{point.p99_us:,.0f}", "*" if best else ""]
        )
    return report.table(header, lines)


def _task(choice: Choice, source: Source, given: Any, basis: np.ndarray | None) -> Task:
    exact = choice.index == "flat" and choice.codes == choice.row_kind
    options = {
        "index": choice.index,
        "codes": choice.codes if choice.codes != "pq" else choice.row_kind,
        "row_kind": choice.row_kind,
        "basis": basis[:, : choice.dimension].copy() if choice.reduction == "pca" else choice.dimension,
    }
    settings = (1.0,) if exact else tuple(given.recall)
    return Task(choice.name, "harness.choice", source, given.build_threads, settings, options)


def _free_bytes() -> int:
    with open("/proc/meminfo") as facts:
        return next(int(line.split()[1]) * 1024 for line in facts if line.startswith("MemAvailable"))
