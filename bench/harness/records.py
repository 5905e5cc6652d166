"""Vectors with the metadata that belongs to them: what the comparison of stores writes.

Metadata is what is filtered by, for every store: section, architecture (strings), installed_size, n_depends (integers), tags (a
list of strings). It comes from meta.parquet or records.jsonl of the data folder; where there is neither it is drawn from the seed."""

from __future__ import annotations

import hashlib
import json
import pathlib
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import environment
from harness.datasets import BadData, Source

STRINGS, INTEGERS, LISTS = ("section", "architecture"), ("installed_size", "n_depends"), ("tags",)
FIELDS = STRINGS + INTEGERS + LISTS


@dataclass(frozen=True)
class Records:
    """Where they are: small enough to be sent to another process. At most `count` of them."""

    source: Source
    fields: pathlib.Path
    count: int

    def load(self) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Rows, queries (both f32), and one dict of metadata a row."""
        rows, queries = self.source.vectors()
        with self.fields.open("rb") as file:
            fields = pickle.load(file)
        return rows[: self.count].copy(), queries, fields[: self.count]


def find(source: Source, rows: int, count: int, cache: pathlib.Path) -> Records:
    """Brings the metadata into a form that each process reads quickly, once."""
    given = next((p for name in ("records.jsonl", "meta.parquet") if (p := source.base.parent / name).exists()), None)
    stamp = repr((str(source.base), source.base.stat().st_mtime_ns, given and given.stat().st_mtime_ns, source.seed))
    path = cache / f"fields-{hashlib.sha256(stamp.encode()).hexdigest()[:20]}.pickle"
    if not path.exists():
        fields = _drawn(rows, source.seed) if given is None else _read(given)
        if len(fields) != rows:
            raise BadData(f"{given} describes {len(fields)} records, there are {rows} rows")
        cache.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(fields))
    return Records(source, path, min(count, rows))


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        with path.open() as lines:
            records = [json.loads(line) for line in lines]
    else:
        if failure := environment.require(["pyarrow"]):
            raise BadData(f"{path} needs pyarrow: {failure}")
        from pyarrow import parquet

        records = parquet.read_table(path, columns=list(FIELDS)).to_pylist()
    return [{name: record[name] for name in FIELDS} for record in records]


def _drawn(rows: int, seed: int) -> list[dict[str, Any]]:
    """Sections and tags of unequal share, sizes over several powers of ten."""
    random = np.random.default_rng(seed)
    sections = (random.random(rows) ** 2 * 50).astype(int).tolist()
    architectures = random.choice(["all", "amd64"], rows).tolist()
    sizes = np.exp(random.normal(5, 2, rows)).astype(int).tolist()
    depends = random.poisson(5, rows).tolist()
    tags = [sorted({f"tag{int(t)}" for t in random.random(n) ** 3 * 300}) for n in random.poisson(4, rows)]
    return [
        {"section": f"section{s}", "architecture": a, "installed_size": i, "n_depends": d, "tags": t}
        for s, a, i, d, t in zip(sections, architectures, sizes, depends, tags)
    ]
