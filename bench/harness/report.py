"""What a run prints: one JSON line for each fact, and tables that can be pasted into docs/BENCHMARKS.md."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import shlex
import statistics
import sys
from dataclasses import asdict
from typing import Any, Iterable

from harness.runs import Built, Point

TARGETS = (0.90, 0.95, 0.99)


class JsonLines:
    """Appends lines to a file; every run begins with a line of kind "run"."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def write(self, kind: str, **facts: Any) -> None:
        self._file.write(json.dumps({"kind": kind, **_rounded(facts)}) + "\n")
        self._file.flush()

    def build(self, peer: str, built: Built, rows: int) -> None:
        facts = asdict(built)
        del facts["settings"]
        own = facts.pop("own_bytes")
        facts["rss_bytes_per_row"] = facts.pop("rss_bytes") / rows
        facts["own_bytes_per_row"] = None if own is None else own / rows
        self.write("build", peer=peer, **facts)

    def point(self, point: Point) -> None:
        self.write("point", **asdict(point), spread=point.spread)


def machine() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["python", *sys.argv]),
        "cpu": _cpu(),
        "isa": _isa(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def heading(machine: dict[str, Any], data: dict[str, Any]) -> str:
    return (
        f"{data['data']}: {data['rows']:,} x {data['dimension']}, {data['metric']}, recall@10 of {data['queries']:,} queries\n"
        f"`{machine['command']}` · {machine['cpu']}, {machine['isa']}, {machine['cores']} cores, "
        f"load {machine['load']} at the start · {machine['date']}"
    )


LEGEND = [
    "Figures are the best measured point that reaches the recall, nothing interpolated; a ratio says how many times faster the",
    "first peer is. RSS: growth of the peer's process while it built; own: what it says of itself.",
]


def comparison(built: dict[str, Built], points: list[Point], rows: int) -> str:
    """One line a peer: the best measured speed at each recall, and how many times faster the first peer is there."""
    first = next(iter(built))
    header = ["queries/s at recall >="] + [f"{target:.2f}" for target in TARGETS]
    header += [f"{first} / it", "build s", "RSS B/vector", "own B/vector", "spread"]
    speeds = {peer: [best_speed(points, peer, target) for target in TARGETS] for peer in built}
    lines = []
    for peer, facts in built.items():
        pairs = zip(speeds[first], speeds[peer])
        ratios = [f"{ours / its:.2f}" if ours and its else "–" for ours, its in pairs]
        spreads = [point.spread for point in points if point.peer == peer]
        lines.append(
            [f"{peer} {facts.version}".strip()]
            + [f"{speed:,.0f}" if speed else "–" for speed in speeds[peer]]
            + ["" if peer == first else " ".join(ratios), f"{facts.build_s:.1f}", f"{facts.rss_bytes / rows:,.0f}"]
            + ["" if facts.own_bytes is None else f"{facts.own_bytes / rows:,.0f}"]
            + [f"{statistics.median(spreads):.0%}" if spreads else ""]
        )
    return table(header, lines)


def best_speed(points: Iterable[Point], peer: str, recall: float) -> float:
    """The best measured point of `peer` that reaches `recall`, nothing interpolated; 0 when none does."""
    return max((p.queries_per_s for p in points if p.peer == peer and p.recall >= recall), default=0.0)


def remarks(points: list[Point], passes: int) -> list[str]:
    """What a reader has to know before quoting the table."""
    peers = {point.peer: [other for other in points if other.peer == point.peer] for point in points}
    shares = {peer: statistics.median(point.cpu_share for point in own) for peer, own in peers.items()}
    spread = statistics.median(point.spread for point in points) if points else 0.0
    found = [f"Best of {passes} interleaved passes; median spread (1 - slowest / fastest pass) {spread:.0%}."]
    if many := [f"{peer} {share:.1f}" for peer, share in shares.items() if share > 1.15]:
        found.append(f"Searched on more than one thread (processors in use): {', '.join(many)}.")
    if few := [share for share in shares.values() if share < 0.95]:
        found.append(f"The machine was busy: {len(few)} of {len(shares)} had a processor for {min(few):.0%} of the time or more.")
    if short := [f"{peer} {most}" for peer, own in peers.items() if (most := max(point.short for point in own))]:
        found.append(f"Queries answered with fewer than 10 rows: {', '.join(short)}.")
    return found


def table(header: list[str], lines: list[list[str]]) -> str:
    """Markdown, padded so that it reads well as it is; the first column is left-aligned."""
    widths = [max(len(row[i]) for row in [header, *lines]) for i in range(len(header))]

    def row(cells: list[str]) -> str:
        padded = [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([row(header), rule, *map(row, lines)])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return round(float(value), 4) if isinstance(value, float) else value


def _cpu() -> str:
    facts = _cpuinfo()
    name = facts.get("model name", "unknown processor")
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name


def _isa() -> str:
    try:
        import anear

        return anear.isa()
    except ImportError:
        flags = _cpuinfo().get("flags", "").split()
        return next((name for name in ("avx512f", "avx2", "sse4_2") if name in flags), "unknown ISA")


def _cpuinfo() -> dict[str, str]:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
