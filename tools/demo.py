"""What tools/demo shows: a store made of the bundled data, what it finds, how sure it is and what it costs.

    demo.py [VECTORS.npy WORDS …]

VECTORS.npy holds one embedding for each of the words; without them, three of the bundled questions are asked.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import time

import anear
import numpy as np

DATA = pathlib.Path(__file__).resolve().parents[1] / "bench" / "data"
BATCH = 1000
SMALL = "'interface::commandline' in tags and installed_size < $size"
BUNDLED_QUESTIONS = (0, 2, 7)


def load_records() -> list[dict]:
    with (DATA / "records.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def fill(store: anear.Store, base: np.ndarray, records: list[dict]) -> anear.Collection:
    packages = store.create_collection(
        "packages",
        vectors={"description": anear.Vector(384, metric="cosine", index=anear.Hnsw(), dtype="f16")},
        fields={"section": anear.String(), "installed_size": anear.Int64(), "tags": anear.StringList()},
        dynamic=True,
    )
    start = time.perf_counter()
    for first in range(0, len(base), BATCH):
        some = records[first : first + BATCH]
        packages.upsert(
            [record["name"] for record in some],
            vectors=base[first : first + BATCH],
            fields=[{name: value for name, value in record.items() if name != "name"} for record in some],
        )
        if sys.stdout.isatty() or first + BATCH >= len(base):
            print(f"\r  {len(packages):6} of {len(base)} records written and searchable", end="", flush=True)
    print(f", synced to disk, in {time.perf_counter() - start:.1f} s")
    packages.flush()
    print(f"  all of them indexed and the index saved after {time.perf_counter() - start:.1f} s (kernels: {anear.isa()})")
    return packages


def show(packages: anear.Collection, query: np.ndarray, words: str) -> None:
    print(f'\n  "{words}"')
    for filter, params, title in (
        (None, None, "all packages"),
        (SMALL, {"size": 1000}, "command line, below 1,000 KiB"),
    ):
        print(f"    {title}:")
        for hit in packages.search(query, k=4, recall=0.99, filter=filter, params=params):
            fields = hit.fields
            print(f"      {hit.distance:.3f}  {hit.key:<28} {fields['section']:<12} {fields['installed_size']:>8,} KiB")


def exact_distances(base: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The ten smallest cosine distances of each query to the chosen rows, by comparing all of them in numpy."""
    unit = base[rows].astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    asked = queries.astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return np.sort(1 - asked @ unit.T, axis=1)[:, :10]


def measure(packages: anear.Collection, queries: np.ndarray, exact: np.ndarray, target: float, **filter: object) -> None:
    """One query at a time, keys and distances alone; the second pass is counted."""
    for _ in range(2):
        spent, found = [], []
        for query in queries:
            start = time.perf_counter()
            hits = packages.search(query, 10, recall=target, fields=False, with_payload=False, **filter)
            spent.append(time.perf_counter() - start)
            found.append(hits.distances)
    recall = (np.stack(found) <= exact[:, -1:] + 1e-5).mean()
    p50, p99 = np.percentile(spent, [50, 99]) * 1e6
    print(
        f"    asked for {target:.2f}: recall@10 {recall:.3f}, p50 {p50:5.0f} µs, p99 {p99:5.0f} µs, "
        f"{len(spent) / sum(spent):6,.0f} queries/s"
    )


def measure_all(packages: anear.Collection, base: np.ndarray, queries: np.ndarray, records: list[dict]) -> None:
    print(f"\nRecall against exact search in numpy, {len(queries)} questions, one thread:")
    bound = exact_distances(base, queries, np.arange(len(base)))
    truth = np.load(DATA / "gt.npy")[:, :10]
    names = {record["name"]: i for i, record in enumerate(records)}
    many = packages.search_batch(queries, k=10, recall=1.0)
    same = np.mean([len({names[key] for key in row} & set(exact)) / 10 for row, exact in zip(many.keys, truth)])
    print(f"    recall=1.0 (exact) finds {same:.4f} of the neighbours in gt.npy")
    print("  no filter")
    for target in (0.90, 0.95, 0.99):
        measure(packages, queries, bound, target)
    rows = np.array([i for i, record in enumerate(records) if record["installed_size"] < 400])
    print(f"  installed_size < 400 ({len(rows):,} of {len(base):,} records match)")
    bound = exact_distances(base, queries, rows)
    for target in (0.90, 0.95, 0.99):
        measure(packages, queries, bound, target, filter="installed_size < $size", params={"size": 400})


def bytes_below(directory: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def reopen(path: pathlib.Path, query: np.ndarray) -> None:
    start = time.perf_counter()
    with anear.open(path) as store:
        opened = time.perf_counter()
        hits = store["packages"].search(query, k=10)
        answered = time.perf_counter()
        records = len(store["packages"])
    print(
        f"\nReopened in {(opened - start) * 1e3:.0f} ms, first answer ({hits[0].key}) {(answered - opened) * 1e3:.1f} ms later; "
        f"{records:,} records are there."
    )


def main() -> None:
    records, base = load_records(), np.load(DATA / "base_f16.npy")
    queries = np.load(DATA / "queries_f16.npy")
    words = (DATA / "queries.txt").read_text().splitlines()
    asked = [(queries[i], words[i]) for i in BUNDLED_QUESTIONS]
    if len(sys.argv) > 2:
        asked = list(zip(np.load(sys.argv[1]), sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "packages.anear"
        print("\nA store of 10,000 Debian packages: an embedding of each description, and what is known of it")
        with anear.open(path) as store:
            packages = fill(store, base, records)
            print("\nThe nearest packages to a question (cosine distance, section, installed size):")
            for query, text in asked:
                show(packages, query, text)
            measure_all(packages, base, queries, records)
            memory = packages.stats()["memory_bytes"]
        print(
            f"\nA record takes {memory / len(base):,.0f} bytes of memory and {bytes_below(path) / len(base):,.0f} of disk; "
            f"its 384 float16 numbers alone are {384 * 2}."
        )
        reopen(path, asked[0][0])


if __name__ == "__main__":
    main()
