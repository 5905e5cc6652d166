"""What a store costs as it grows: bytes written a record and for what, disk, memory, and the time to open it.

    python bench/growth.py [DATA] [--at-once 1000] [--index hnsw] [--dtype f32] [--replace 0] [--folder DIR]

DATA: a .npy file with vectors (memory-mapped), or random:ROWSxDIM, which is made batch by batch (default: random:100000x384).
Prints a line whenever the number of records has doubled, and at the end; then opens the store some times, its files being in
memory by then. --replace R: afterwards R rounds of replacing every second record, a line for each. Needs a release build of the
Python module (cmake --preset release -DANEAR_BUILD_PYTHON=ON, target anear_python)."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile
import time
from typing import Any, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import environment  # noqa: E402

PURPOSES = ("log", "tables", "rows", "images", "other")
FIRST_LINE = 12_500
OPENINGS = 5


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="random:100000x384")
    parser.add_argument("--at-once", type=int, default=1_000, help="records of an upsert")
    parser.add_argument("--index", choices=("hnsw", "ivf_pq", "flat"), default="hnsw")
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32", help="numbers of the stored rows")
    parser.add_argument("--replace", type=int, default=0, metavar="R", help="rounds of replacing every second record")
    parser.add_argument("--folder", type=pathlib.Path, help="where the store is made and removed (default: a temporary one)")
    parser.add_argument("--out", type=pathlib.Path, default=environment.ROOT / "build" / "growth.jsonl", help="lines are appended")
    parser.add_argument("--here", action="store_true", help="use this Python as it is and install nothing")
    given = parser.parse_args()
    if given.at_once < 1 or given.replace < 0:
        parser.error("--at-once is at least 1, --replace at least 0")
    return given


class Rows:
    """Vectors by number: of a file, or made from the numbers alone, near a plane of 24 dimensions as embeddings are."""

    def __init__(self, data: str):
        import numpy as np

        self._np = np
        if generated := re.fullmatch(r"random:(\d+)x(\d+)", data):
            self.count, self.dimension = int(generated[1]), int(generated[2])
            self._plane = np.random.default_rng(1).normal(size=(24, self.dimension)).astype(np.float32)
            self._file = None
        else:
            self._file = np.load(data, mmap_mode="r")
            self.count, self.dimension = self._file.shape

    def part(self, first: int, count: int) -> Any:
        np = self._np
        if self._file is not None:
            return np.ascontiguousarray(self._file[first : first + count], dtype=np.float32)
        random = np.random.default_rng([2, first])
        near = random.standard_normal((count, 24), dtype=np.float32) @ self._plane
        return near + 0.7 * random.standard_normal((count, self.dimension), dtype=np.float32)


def batches(rows: Rows, at_once: int) -> Iterator[tuple[int, int]]:
    for first in range(0, rows.count, at_once):
        yield first, min(at_once, rows.count - first)


def fields(first: int, count: int) -> dict[str, list[Any]]:
    return {"section": [f"s{i % 57}" for i in range(first, first + count)], "size": list(range(first, first + count))}


class Report:
    """The lines, on the screen and in a file."""

    def __init__(self, path: pathlib.Path, folder: pathlib.Path, row_bytes: int):
        self._path, self._folder, self._row_bytes = path, folder, row_bytes
        self._began = time.perf_counter()
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"bytes written a record; a row has {row_bytes}")
        print(f"{'records':>9} {'inserts':>9} " + " ".join(f"{name:>7}" for name in PURPOSES) + "     all  x row   disk  memory  time")

    def add(self, store: Any, docs: Any, inserts: int) -> None:
        state, records = store.state(), len(docs)
        written = {name: state["written_bytes"][name] / inserts for name in PURPOSES}
        disk = sum(path.stat().st_blocks * 512 for path in self._folder.rglob("*") if path.is_file())
        total = sum(written.values())
        line = {
            "records": records,
            "inserts": inserts,
            "row_bytes": self._row_bytes,
            "written": written,
            "disk": disk / records,
            "memory": state["memory_bytes"] / records,
            "seconds": time.perf_counter() - self._began,
        }
        print(
            f"{records:9,} {inserts:9,} "
            + " ".join(f"{written[name]:7,.0f}" for name in PURPOSES)
            + f" {total:7,.0f} {total / self._row_bytes:6.2f} {line['disk']:6,.0f} {line['memory']:7,.0f} {line['seconds']:5.0f} s",
            flush=True,
        )
        self.note(line)

    def note(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as lines:
            lines.write(json.dumps(line) + "\n")


def grow(given: argparse.Namespace, folder: pathlib.Path) -> None:
    import anear

    rows = Rows(given.data)
    indexes = {"hnsw": anear.Hnsw, "ivf_pq": anear.IvfPq, "flat": anear.Flat}
    vector = anear.Vector(rows.dimension, metric="cosine", index=indexes[given.index](), dtype=given.dtype)
    report = Report(given.out, folder, rows.dimension * (4 if given.dtype == "f32" else 2))
    with anear.open(folder) as store:
        docs = store.create_collection("docs", vectors=vector, fields={"section": anear.String(), "size": anear.Int64()})
        line_at = FIRST_LINE
        for first, count in batches(rows, given.at_once):
            if first >= line_at:
                docs.flush()
                report.add(store, docs, first)
                line_at *= 2
            docs.upsert([f"k{i}" for i in range(first, first + count)], rows.part(first, count), fields=fields(first, count))
        docs.flush()
        inserts = rows.count
        report.add(store, docs, inserts)
        for _ in range(given.replace):
            for first, count in batches(rows, given.at_once):
                some = slice(0, count, 2)
                keys = [f"k{i}" for i in range(first, first + count)][some]
                docs.upsert(keys, rows.part(first, count)[some], fields={name: column[some] for name, column in fields(first, count).items()})
                inserts += len(keys)
            docs.flush()
            report.add(store, docs, inserts)
    open_times(folder, rows, report)


def open_times(folder: pathlib.Path, rows: Rows, report: Report) -> None:
    import anear

    query = rows.part(0, 1)[0]
    opened, answered = [], []
    for _ in range(OPENINGS):
        began = time.perf_counter()
        with anear.open(folder) as store:
            opened.append((time.perf_counter() - began) * 1e3)
            hits = store["docs"].search(query, k=10)
            answered.append((time.perf_counter() - began) * 1e3)
            assert hits[0].key == "k0", "the nearest of a row is not the row"
    print(f"opened {OPENINGS} times: {min(opened):.0f} to {max(opened):.0f} ms, first answer after {min(answered):.0f} to {max(answered):.0f} ms")
    report.note({"open_ms": opened, "answer_ms": answered})


def main() -> None:
    given = arguments()
    if not given.here:
        environment.enter()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="anear-growth-", dir=given.folder))
    try:
        grow(given, folder / "store")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
